# What a build leaves for others: the CMake package, beamcast.pc and env.sh. Included last, when every
# part has added its targets to the export set BeamcastTargets and told where its plugin lies:
#   BEAMCAST_PLUGIN_DIR   folder of the ParaView plugin, relative to the build and to the prefix
#   BEAMCAST_PYTHON_DIR   folder that `import beamcast` needs, likewise
include(CMakePackageConfigHelpers)

get_property(plugin_dir GLOBAL PROPERTY BEAMCAST_PLUGIN_DIR)
if(NOT plugin_dir)
  set(plugin_dir ${CMAKE_INSTALL_LIBDIR}/beamcast/plugins/Beamcast)
endif()
get_property(python_dir GLOBAL PROPERTY BEAMCAST_PYTHON_DIR)
if(NOT python_dir)
  set(python_dir ${CMAKE_INSTALL_LIBDIR}/beamcast/python)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Beamcast)
install(EXPORT BeamcastTargets NAMESPACE Beamcast:: DESTINATION ${package_dir})
configure_package_config_file(cmake/BeamcastConfig.cmake.in BeamcastConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(BeamcastConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/BeamcastConfig.cmake ${CMAKE_BINARY_DIR}/BeamcastConfigVersion.cmake
  DESTINATION ${package_dir})

# Relative to its own place, so that an installation can be moved.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_libraries -lbeamcast)
if(TARGET beamcast_session)
  set(pc_libraries "-lbeamcast_session -lbeamcast")
endif()
configure_file(cmake/beamcast.pc.in beamcast.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/beamcast.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# env.sh: in the build tree beside build.ninja, installed with the prefix that it is installed to.
set(ENV_DEVELOPMENT "") # a build tree is no package
set(ENV_BIN ${CMAKE_BINARY_DIR}/bin)
set(ENV_LIB ${CMAKE_BINARY_DIR}/lib)
set(ENV_PLUGIN ${CMAKE_BINARY_DIR}/${plugin_dir})
if(TARGET Beamcast)
  set(ENV_PLUGIN $<TARGET_FILE_DIR:Beamcast>)
endif()
set(ENV_PYTHON ${CMAKE_BINARY_DIR}/python)
configure_file(cmake/env.sh.in ${CMAKE_BINARY_DIR}/env.sh.generate @ONLY)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/env.sh INPUT ${CMAKE_BINARY_DIR}/env.sh.generate)
install(CODE "
  set(ENV_BIN \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(ENV_LIB \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")
  set(ENV_PLUGIN \"\${CMAKE_INSTALL_PREFIX}/${plugin_dir}\")
  set(ENV_PYTHON \"\${CMAKE_INSTALL_PREFIX}/${python_dir}\")
  string(CONCAT ENV_DEVELOPMENT
    \"beamcast_env_prepend PKG_CONFIG_PATH \\\"\${ENV_LIB}/pkgconfig\\\"\\n\"
    \"beamcast_env_prepend CMAKE_PREFIX_PATH \\\"\${CMAKE_INSTALL_PREFIX}\\\"\\n\")
  configure_file(\"${CMAKE_SOURCE_DIR}/cmake/env.sh.in\"
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/beamcast/env.sh\" @ONLY)")
