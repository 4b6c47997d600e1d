# SPDX-License-Identifier: Apache-2.0
# The engine in a real process, without a scheduler.
add_library(truth_work_bare SHARED truth_work.c)
target_compile_options(truth_work_bare PRIVATE -O2 -fomit-frame-pointer)
target_link_libraries(truth_work_bare PRIVATE stakeout_flags)

# One task of this process's own engine. The hot objects come with each program.
add_library(stakeout_test_one_task STATIC one_task.c)
target_link_libraries(stakeout_test_one_task PUBLIC stakeout_engine stakeout_model
                                             PRIVATE stakeout_flags)

stakeout_test(integration probe_truth truth_host.c truth_call.c truth_work.c
              $<TARGET_OBJECTS:stakeout_hot> LINK
              stakeout_engine stakeout_model)
target_compile_definitions(test_integration_probe_truth
                           PRIVATE TRUTH_LIBRARY="$<TARGET_FILE:truth_work_bare>")
add_dependencies(test_integration_probe_truth truth_work_bare)
add_test(NAME integration/probe_truth_perf COMMAND test_integration_probe_truth perf)
set_tests_properties(integration/probe_truth_perf PROPERTIES LABELS integration TIMEOUT 60)

stakeout_test(integration probe_watch watch_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
              stakeout_test_one_task)

stakeout_test(integration probe_looks looks_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
              stakeout_test_one_task)
target_compile_definitions(test_integration_probe_looks
                           PRIVATE TRUTH_LIBRARY="$<TARGET_FILE:truth_work_bare>")
add_dependencies(test_integration_probe_looks truth_work_bare)

foreach(name budget lookback)
    stakeout_test(integration probe_${name} ${name}_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
                  stakeout_test_one_task)
endforeach()

add_library(stakeout_test_perf_scene STATIC perf_scene.c)
target_link_libraries(stakeout_test_perf_scene PUBLIC stakeout_test_one_task stakeout_test_support)
foreach(name perf perf_refused)
    stakeout_test(integration probe_${name} ${name}_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
                  stakeout_test_perf_scene)
endforeach()

stakeout_test(integration probe_signals signals_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
              stakeout_test_one_task)

add_library(stakeout_test_interrupted_work STATIC interrupted_work.c)
target_link_libraries(stakeout_test_interrupted_work PRIVATE stakeout_flags)
# ThreadSanitizer delivers signals later, with contexts of its own, and has frames of its own.
if(NOT STAKEOUT_SANITIZE)
    stakeout_test(integration probe_interruptions interruptions_test.c
                  $<TARGET_OBJECTS:stakeout_hot>
                  LINK stakeout_test_interrupted_work stakeout_test_one_task)
endif()

# It forks beside threads, and ThreadSanitizer may then hang in its own locks.
if(NOT STAKEOUT_SANITIZE STREQUAL "thread")
    stakeout_test(integration probe_chaos chaos_test.c $<TARGET_OBJECTS:stakeout_hot> LINK
                  stakeout_test_one_task)
    target_compile_definitions(test_integration_probe_chaos
                               PRIVATE TRUTH_LIBRARY="$<TARGET_FILE:truth_work_bare>")
    add_dependencies(test_integration_probe_chaos truth_work_bare)
endif()
