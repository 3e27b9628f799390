/* SPDX-License-Identifier: BSD-3-Clause */
#include "ReadSize.h"

#include "beamcast_hdf5.h"

#include <pqCoreUtilities.h>
#include <vtkCommand.h>
#include <vtkSMProperty.h>
#include <vtkSMProxy.h>
#include <vtkSMUncheckedPropertyHelper.h>

#include <QHBoxLayout>
#include <QLabel>
#include <QStringList>

#include <algorithm>

namespace {

QString MemoryText(double bytes) {
  const double gib = 1024.0 * 1024 * 1024;
  return bytes < gib / 10 ? QObject::tr("%1 MiB").arg(bytes / (1024 * 1024), 0, 'f', 1)
                          : QObject::tr("%1 GiB").arg(bytes / gib, 0, 'f', 2);
}

QString Triple(const uint64_t size[3]) {
  return QStringLiteral("%1 x %2 x %3").arg(size[0]).arg(size[1]).arg(size[2]);
}

/* The line of DatasetSizes for the dataset that the panel names; none: the most likely. */
QStringList SizeWords(vtkSMProxy *proxy) {
  const QString wanted =
      QString::fromUtf8(vtkSMUncheckedPropertyHelper(proxy, "Dataset", true).GetAsString());
  const vtkSMPropertyHelper names(proxy, "DatasetList", true), sizes(proxy, "DatasetSizes", true);
  unsigned int found = 0;
  for (unsigned int i = 0; !wanted.isEmpty() && i < names.GetNumberOfElements(); i++) {
    if (wanted == QString::fromUtf8(names.GetAsString(i))) {
      found = i;
      break;
    }
  }
  return found < sizes.GetNumberOfElements()
             ? QString::fromUtf8(sizes.GetAsString(found)).split(QLatin1Char(' '))
             : QStringList();
}

QString SizeOf(vtkSMProxy *proxy) {
  const QStringList words = SizeWords(proxy);
  if (words.size() != 5) {
    return QObject::tr("known when the file was opened");
  }
  const vtkSMUncheckedPropertyHelper region(proxy, "Region"), stride(proxy, "Stride");
  uint64_t size[3];
  beamcast_hdf5_wish wish = {};
  for (unsigned int axis = 0; axis < 3; axis++) {
    size[axis] = words[static_cast<int>(axis)].toULongLong();
    wish.region[2 * axis] = static_cast<uint64_t>(std::max(0, region.GetAsInt(2 * axis)));
    wish.region[2 * axis + 1] = static_cast<uint64_t>(std::max(0, region.GetAsInt(2 * axis + 1)));
    wish.stride[axis] = static_cast<uint64_t>(std::max(0, stride.GetAsInt(axis)));
  }
  const int asked = vtkSMUncheckedPropertyHelper(proxy, "OutputType").GetAsInt();
  const int limit = vtkSMUncheckedPropertyHelper(proxy, "MemoryLimit").GetAsInt();
  wish.memory_limit =
      limit > 0 ? static_cast<uint64_t>(limit) << 20
                : static_cast<uint64_t>(vtkSMPropertyHelper(proxy, "Limit").GetAsDouble());
  beamcast_hdf5_plan plan;
  beamcast_error error = {};
  if (beamcast_hdf5_plan_size("the dataset", size, asked > 0 ? asked : words[3].toInt(),
                              words[4].toInt(), &wish, &plan, &error) != BEAMCAST_OK) {
    return QString::fromUtf8(error.message);
  }
  const QString taken =
      QObject::tr("%1: %2 of %3 voxels")
          .arg(MemoryText(static_cast<double>(plan.bytes)), Triple(plan.samples), Triple(size));
  return plan.reduced != 0 ? taken + QObject::tr(", every %1, to hold the limit of %2")
                                         .arg(Triple(plan.stride),
                                              MemoryText(static_cast<double>(wish.memory_limit)))
                           : taken;
}

} // namespace

ReadSize::ReadSize(vtkSMProxy *smproxy, vtkSMProperty *, QWidget *parentWidget)
    : pqPropertyWidget(smproxy, parentWidget) {
  QHBoxLayout *row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  this->Text = new QLabel(this);
  this->Text->setObjectName(QStringLiteral("Text"));
  this->Text->setWordWrap(true);
  this->Text->setTextInteractionFlags(Qt::TextSelectableByMouse);
  row->addWidget(this->Text);
  for (const char *name : {"Dataset", "Region", "Stride", "OutputType", "MemoryLimit"}) {
    vtkSMProperty *edited = smproxy->GetProperty(name);
    pqCoreUtilities::connect(edited, vtkCommand::UncheckedPropertyModifiedEvent, this,
                             SLOT(refresh()));
    pqCoreUtilities::connect(edited, vtkCommand::ModifiedEvent, this, SLOT(refresh()));
  }
  for (const char *name : {"DatasetSizes", "Limit"}) { /* what the server found */
    pqCoreUtilities::connect(smproxy->GetProperty(name), vtkCommand::ModifiedEvent, this,
                             SLOT(refresh()));
  }
  this->refresh();
}

void ReadSize::refresh() {
  this->Text->setText(SizeOf(this->proxy()));
}
