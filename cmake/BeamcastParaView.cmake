# beamcast_find_paraview(COMPONENT...): looks for ParaView 5.11 or later with these components, after
# what the exported targets of Debian's ParaView name without looking for it. Sets
# beamcast_paraview_found to ON or OFF, and says so where it is OFF. A macro: what it finds is for the
# folder that calls it, and those below.
macro(beamcast_find_paraview)
  set(beamcast_paraview_found OFF)
  if(BEAMCAST_PARAVIEW)
    foreach(package Freetype LibXml2 Boost X11 GLEW)
      find_package(${package} QUIET)
    endforeach()
    find_package(Python3 QUIET COMPONENTS Interpreter Development)
    find_package(ParaView QUIET COMPONENTS ${ARGN})
    if(NOT ParaView_FOUND)
      message(STATUS "Beamcast: no ParaView for ${CMAKE_CURRENT_SOURCE_DIR}, which is not built; install what cmake/packages/paraview.txt lists. ${ParaView_NOT_FOUND_MESSAGE}")
    elseif(ParaView_VERSION VERSION_LESS 5.11)
      message(STATUS "Beamcast: ParaView ${ParaView_VERSION} is too old for ${CMAKE_CURRENT_SOURCE_DIR}, which is not built; 5.11 or later is needed.")
    else()
      set(beamcast_paraview_found ON)
    endif()
  endif()
endmacro()

# beamcast_vtk_module_flags(MODULE): our warnings and sanitizers for a VTK module. Linking
# beamcast_flags would not do: VTK writes a module's definitions into a file once per language.
function(beamcast_vtk_module_flags module)
  vtk_module_compile_options(${module} PRIVATE $<TARGET_PROPERTY:beamcast_flags,INTERFACE_COMPILE_OPTIONS>)
  vtk_module_link_options(${module} PRIVATE $<TARGET_PROPERTY:beamcast_flags,INTERFACE_LINK_OPTIONS>)
endfunction()
