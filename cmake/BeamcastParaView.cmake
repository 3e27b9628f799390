# Debian 13 calls Python modules NAME.cpython-313-x86_64-linux-gnu.so, and ParaView's exported targets
# give up because there is no NAME.so. Nothing here links Python modules, so the targets of such a
# package are exempted from the check, in the only way that it knows: each names an existing folder
# as its framework. (CMake 3.28 or later; Debian 13 has it.)
macro(beamcast_exempt_python_modules)
  file(GLOB beamcast_exports
    ${CMAKE_PREFIX_PATH}/lib*/cmake/paraview-*/*Python*-targets.cmake
    ${CMAKE_PREFIX_PATH}/lib*/cmake/paraview-*/vtk/*Python*-targets.cmake
    /usr/lib/*/cmake/paraview-*/*Python*-targets.cmake
    /usr/lib/*/cmake/paraview-*/vtk/*Python*-targets.cmake)
  foreach(export IN LISTS beamcast_exports)
    file(STRINGS ${export} targets REGEX "^add_library\\([A-Za-z0-9_:]+ MODULE IMPORTED\\)")
    foreach(target IN LISTS targets)
      string(REGEX REPLACE "^add_library\\(([A-Za-z0-9_:]+) .*" "\\1" target "${target}")
      set(_cmake_import_check_xcframework_for_${target} ${CMAKE_CURRENT_LIST_DIR})
    endforeach()
  endforeach()
endmacro()

# beamcast_find_paraview(COMPONENT...): looks for ParaView 5.11 or later with these components, after
# what the exported targets of Debian's ParaView name without looking for it. Sets
# beamcast_paraview_found to ON or OFF, and says so where it is OFF. A macro: what it finds is for the
# folder that calls it, and those below.
macro(beamcast_find_paraview)
  set(beamcast_paraview_found OFF)
  if(BEAMCAST_PARAVIEW)
    set(CMAKE_POLICY_DEFAULT_CMP0167 NEW) # VTK wants Boost's own package file, too
    find_package(Boost QUIET CONFIG)
    foreach(package Freetype LibXml2 X11 GLEW)
      find_package(${package} QUIET)
    endforeach()
    find_package(OpenGL QUIET COMPONENTS OpenGL OPTIONAL_COMPONENTS GLX)
    # the system's, which ParaView's modules belong to; it need not be the first on PATH
    if(NOT Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
      set(Python3_EXECUTABLE /usr/bin/python3)
    endif()
    find_package(Python3 QUIET COMPONENTS Interpreter Development)
    beamcast_exempt_python_modules()
    find_package(ParaView QUIET COMPONENTS ${ARGN})
    if(NOT ParaView_FOUND)
      message(STATUS "Beamcast: no ParaView for ${CMAKE_CURRENT_SOURCE_DIR}, which is not built; install what cmake/packages/paraview.txt lists. ${ParaView_NOT_FOUND_MESSAGE}")
    elseif(ParaView_VERSION VERSION_LESS 5.11)
      message(STATUS "Beamcast: ParaView ${ParaView_VERSION} is too old for ${CMAKE_CURRENT_SOURCE_DIR}, which is not built; 5.11 or later is needed.")
    else()
      set(beamcast_paraview_found ON)
      # What Debian 13's VTK is linked with and does not look for. Nothing here uses it by itself.
      foreach(target hdf5::hdf5 hdf5::hdf5_hl NetCDF::NetCDF)
        if(NOT TARGET ${target})
          add_library(${target} INTERFACE IMPORTED)
        endif()
      endforeach()
    endif()
  endif()
endmacro()

# beamcast_vtk_module_flags(MODULE): our warnings and sanitizers for a VTK module. Linking
# beamcast_flags would not do: VTK writes a module's definitions into a file once per language.
function(beamcast_vtk_module_flags module)
  vtk_module_compile_options(${module} PRIVATE $<TARGET_PROPERTY:beamcast_flags,INTERFACE_COMPILE_OPTIONS>)
  vtk_module_link_options(${module} PRIVATE $<TARGET_PROPERTY:beamcast_flags,INTERFACE_LINK_OPTIONS>)
endfunction()
