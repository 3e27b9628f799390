# Rows of XAC Volume and of Beamcast Volume Reader in ParaView's panel, in a library of its own: the plugin opens it in the
# ParaView program and nowhere else, so that servers and scripts need no Qt. Included where ParaView was
# found, since its targets want Qt's beside them.
set(qt 5)
if(ParaView_VERSION VERSION_GREATER_EQUAL 5.13)
  set(qt 6)
endif()
find_package(Qt${qt} QUIET COMPONENTS Core Gui Widgets)
if(NOT TARGET Qt${qt}::Widgets)
  message(STATUS "Beamcast: no Qt ${qt} to build with; the panel shows XAC Volume's properties plainly.")
  return()
endif()
# Qt's parts that ParaView's libraries name and nothing here uses by itself.
foreach(part OpenGL OpenGLWidgets Network Help Svg UiTools Xml XmlPatterns Core5Compat)
  if(NOT TARGET Qt${qt}::${part})
    add_library(Qt${qt}::${part} INTERFACE IMPORTED)
  endif()
endforeach()
if(NOT TARGET ParaView::pqComponents)
  message(STATUS "Beamcast: this ParaView comes without Qt's part; its panel shows XAC Volume's properties plainly.")
  return()
endif()
add_library(BeamcastPanel MODULE)
foreach(source PanelStart.cxx XACDeclared.cxx XACDeclared.h XACPanel.cxx XACPanel.h)
  target_sources(BeamcastPanel PRIVATE ${CMAKE_CURRENT_LIST_DIR}/${source})
endforeach()
if(TARGET Beamcast::hdf5)
  foreach(source CancelRead.cxx CancelRead.h ReadSize.cxx ReadSize.h)
    target_sources(BeamcastPanel PRIVATE ${CMAKE_CURRENT_LIST_DIR}/${source})
  endforeach()
  target_link_libraries(BeamcastPanel PRIVATE Beamcast::hdf5)
  target_compile_definitions(BeamcastPanel PRIVATE BEAMCAST_HAVE_READER)
endif()
set_target_properties(BeamcastPanel PROPERTIES
  AUTOMOC ON
  PREFIX ""
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/beamcast)
target_link_libraries(BeamcastPanel PRIVATE beamcast_flags ParaView::pqComponents ParaView::RemotingViews Qt${qt}::Widgets)
install(TARGETS BeamcastPanel LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/beamcast)
