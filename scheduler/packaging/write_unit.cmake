# SPDX-License-Identifier: Apache-2.0
# Runs within `cmake --install`: writes the unit with the path that stakeoutd has below this prefix.
# `template`, `unit` and `bindir` are set before.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
if(IS_ABSOLUTE "${bindir}")
    set(STAKEOUTD_PATH "${bindir}/stakeoutd")
else()
    set(STAKEOUTD_PATH "${prefix}/${bindir}/stakeoutd")
endif()
configure_file("${template}" "${unit}" @ONLY)
