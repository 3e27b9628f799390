/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the plugin calls after it has opened this library in the ParaView program.
 */
#ifdef BEAMCAST_HAVE_READER
#include "CancelRead.h"
#include "ReadSize.h"
#endif
#include "XACPanel.h"

#include <pqApplicationCore.h>
#include <pqInterfaceTracker.h>
#include <pqPropertyWidgetInterface.h>
#include <vtkSMProperty.h>
#include <vtkSMPropertyGroup.h>

#include <QObject>

#include <cstring>

namespace {
class PanelInterface : public QObject, public pqPropertyWidgetInterface {
  Q_OBJECT
  Q_INTERFACES(pqPropertyWidgetInterface)

public:
  explicit PanelInterface(QObject *owner) : QObject(owner) {}

#ifdef BEAMCAST_HAVE_READER
  pqPropertyWidget *createWidgetForProperty(vtkSMProxy *proxy, vtkSMProperty *property,
                                            QWidget *parentWidget) override {
    const char *name = property != nullptr ? property->GetPanelWidget() : nullptr;
    return name != nullptr && std::strcmp(name, "beamcast_read_size") == 0
               ? new ReadSize(proxy, property, parentWidget)
               : nullptr;
  }
#endif

  pqPropertyWidget *createWidgetForPropertyGroup(vtkSMProxy *proxy, vtkSMPropertyGroup *group,
                                                 QWidget *parentWidget) override {
    const char *name = group != nullptr ? group->GetPanelWidget() : nullptr;
    return name != nullptr && std::strcmp(name, "beamcast_xac") == 0
               ? new XACPanel(proxy, group, parentWidget)
               : nullptr;
  }
};
} // namespace

extern "C" __attribute__((visibility("default"))) void BeamcastPanelStart() {
  pqApplicationCore *core = pqApplicationCore::instance();
  core->interfaceTracker()->addInterface(new PanelInterface(core));
#ifdef BEAMCAST_HAVE_READER
  new CancelRead(core); /* which owns it */
#endif
}

#include "PanelStart.moc"
