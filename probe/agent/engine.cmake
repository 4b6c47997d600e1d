# SPDX-License-Identifier: Apache-2.0
# The half of the agent that watches: the sampler and what it needs. libunwind's header is needed to
# build; the library itself is opened at run time, and its absence is reported.
find_path(LIBUNWIND_INCLUDE_DIR libunwind.h)
if(NOT LIBUNWIND_INCLUDE_DIR)
    message(FATAL_ERROR "libunwind.h is missing (Debian: libunwind-dev); tools/dependencies "
                        "installs what the build needs.")
endif()
set(STAKEOUT_ENGINE_SOURCES
    allowance.c blocked.c blocked_stack.c books.c budget.c closed_wait.c descriptor_names.c
    draft.c engine.c fork_gate.c frame_pointer.c interface_totals.c known_stacks.c listener.c
    lock_owner.c lock_watch.c modules.c pace.c remote_unwinder.c wait_arguments.c sample_builder.c
    sampler.c sampler_early.c sampler_round.c sampler_thrift.c self_memory.c signal_copy.c stint.c
    thread.c thread_files.c tick_clock.c unwind_build.c unwind_entries.c unwind_program.c
    unwind_reader.c unwind_step.c unwind_table.c unwind_tables.c unwinder.c)
list(TRANSFORM STAKEOUT_ENGINE_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/probe/agent/)
add_library(stakeout_engine STATIC ${STAKEOUT_ENGINE_SOURCES})
target_link_libraries(stakeout_engine PUBLIC stakeout_model stakeout_flags ${CMAKE_DL_LIBS})
if(STAKEOUT_SANITIZE STREQUAL "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(stakeout_engine PRIVATE -Wno-tsan) # fences: see probe/hot/CMakeLists.txt
endif()
