# SPDX-License-Identifier: Apache-2.0
# The flags of every target, for gcc and clang alike. stakeout_flags carries them, so that a
# target says once: target_link_libraries(x PRIVATE stakeout_flags).
add_library(stakeout_flags INTERFACE)
target_include_directories(stakeout_flags INTERFACE ${PROJECT_SOURCE_DIR}
                                                    ${PROJECT_SOURCE_DIR}/probe/include)
target_compile_definitions(stakeout_flags INTERFACE _GNU_SOURCE
                                                    STAKEOUT_VERSION="${PROJECT_VERSION}")
target_compile_options(
    stakeout_flags
    INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wvla -fno-omit-frame-pointer
              -fno-common -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= # CHECK says "scheduler/app.c"
              $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>)
if(STAKEOUT_WERROR)
    target_compile_options(stakeout_flags INTERFACE -Werror)
endif()
if(STAKEOUT_SANITIZE STREQUAL "address")
    target_compile_options(stakeout_flags INTERFACE -fsanitize=address,undefined
                                                    -fno-sanitize-recover=undefined)
    target_link_options(stakeout_flags INTERFACE -fsanitize=address,undefined)
elseif(STAKEOUT_SANITIZE STREQUAL "thread")
    target_compile_options(stakeout_flags INTERFACE -fsanitize=thread)
    target_link_options(stakeout_flags INTERFACE -fsanitize=thread)
elseif(STAKEOUT_SANITIZE)
    message(FATAL_ERROR "STAKEOUT_SANITIZE is 'address', 'thread' or empty; "
                        "not '${STAKEOUT_SANITIZE}'.")
endif()
