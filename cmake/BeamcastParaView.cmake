# beamcast_find_paraview(COMPONENT...): find_package(ParaView REQUIRED COMPONENTS ...), after what the
# exported targets of Debian's ParaView name without looking for it. A macro: what it finds is for
# the folder that calls it.
macro(beamcast_find_paraview)
  foreach(package Freetype LibXml2 Boost X11 GLEW)
    find_package(${package} QUIET)
  endforeach()
  find_package(Python3 QUIET COMPONENTS Interpreter Development)
  find_package(ParaView REQUIRED COMPONENTS ${ARGN})
  if(ParaView_VERSION VERSION_LESS 5.11)
    message(FATAL_ERROR "ParaView ${ParaView_VERSION} is too old; 5.11 or later is needed, or configure with -DBEAMCAST_PARAVIEW=OFF.")
  endif()
endmacro()
