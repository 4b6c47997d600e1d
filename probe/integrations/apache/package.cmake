# SPDX-License-Identifier: Apache-2.0
# Run by cpack, when what goes into the packages lies in its folders.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/apache)
if(EXISTS ${root}/usr/share/stakeout/apache2)
    file(MAKE_DIRECTORY ${root}/etc/apache2)
    file(RENAME ${root}/usr/share/stakeout/apache2 ${root}/etc/apache2/mods-available)
    file(REMOVE_RECURSE ${root}/usr/share/stakeout)
endif()
