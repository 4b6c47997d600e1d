# SPDX-License-Identifier: Apache-2.0
# The documents that are installed, and the Debian packages: cpack -G DEB makes stakeout (programs),
# libstakeout0 (what an application runs with) and libstakeout-dev (what it is built with); where
# apxs is, libapache2-mod-stakeout as well.
set(pairs programs:stakeout library:libstakeout0 development:libstakeout-dev)
if(TARGET mod_stakeout)
    list(APPEND pairs apache:libapache2-mod-stakeout)
endif()
foreach(pair ${pairs})
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 component)
    list(GET pair 1 package)
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
            RENAME copyright COMPONENT ${component})
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/scheduler/PRODUCTION.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/stakeout COMPONENT programs)
install(FILES ${PROJECT_SOURCE_DIR}/common/wire/WIRE.md
              ${PROJECT_SOURCE_DIR}/probe/examples/event_loop.c
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libstakeout-dev COMPONENT development)
foreach(pair evhttp:evhttp libmicrohttpd:microhttpd)
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 folder)
    list(GET pair 1 name)
    install(FILES ${PROJECT_SOURCE_DIR}/probe/integrations/${folder}/example.c
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libstakeout-dev RENAME ${name}_server.c
            COMPONENT development)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME stakeout)
set(CPACK_PACKAGE_VENDOR "The stakeout maintainers")
set(CPACK_PACKAGE_CONTACT "The stakeout maintainers <maintainers@stakeout.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
# Staged by DESTDIR, so that what is written at install (the systemd unit) reads /usr as its prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES OFF) # the programs' own stacks are to be readable, too

set(CPACK_COMPONENTS_ALL programs library development)
if(TARGET mod_stakeout)
    list(APPEND CPACK_COMPONENTS_ALL apache)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON) # and so a postinst that calls ldconfig
set(CPACK_DEBIAN_PACKAGE_SECTION devel)

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME stakeout)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION
    "Scheduler and command line: stakeoutd keeps tasks in Redis and gathers what probes report; stakeout is the
 operator's command line.")
# Recommended, not needed: --redis names a Redis of one's own, and only `stakeout run` preloads.
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_RECOMMENDS "redis-server, libstakeout0")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libstakeout0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
# Opened when the probe starts, not linked: see probe/README.md. libssl3 only for https.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS libunwind8)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS libssl3)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "The probe: what an application that is linked with stakeout needs to run.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libstakeout-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libstakeout0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
    "To build an application with the probe: the header, the static library, a pkg-config file and a CMake package.")

# Debian's a2enmod reads /etc/apache2/mods-available, which is outside of the prefix: the files are
# moved there in the package alone.
if(TARGET mod_stakeout)
    get_target_property(api mod_stakeout HTTPD_API)
    set(CPACK_DEBIAN_APACHE_PACKAGE_NAME libapache2-mod-stakeout)
    set(CPACK_DEBIAN_APACHE_PACKAGE_SECTION httpd)
    set(CPACK_DEBIAN_APACHE_PACKAGE_SHLIBDEPS OFF)
    set(CPACK_DEBIAN_APACHE_PACKAGE_DEPENDS
        "libc6, libstakeout0 (= ${PROJECT_VERSION}), apache2-api-${api}")
    set(CPACK_DEBIAN_APACHE_PACKAGE_CONTROL_EXTRA
        ${PROJECT_SOURCE_DIR}/probe/integrations/apache/conffiles)
    set(CPACK_COMPONENT_APACHE_DESCRIPTION
        "mod_stakeout for Apache httpd: each request is a call, and slow ones can be looked into.
 It is enabled by a2enmod stakeout.")
    set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/probe/integrations/apache/package.cmake)
endif()
include(CPack)
