/* SPDX-License-Identifier: BSD-3-Clause */
#include "XACPanel.h"

#include <pqActiveObjects.h>
#include <pqDoubleRangeWidget.h>
#include <pqFileDialog.h>
#include <pqView.h>
#include <vtkSMPropertyGroup.h>
#include <vtkSMPropertyHelper.h>
#include <vtkSMProxy.h>
#include <vtkSMTransferFunctionPresets.h>
#include <vtkSMTransferFunctionProxy.h>

#include <QComboBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QTimer>
#include <QToolButton>

#include <cstring>

namespace {
const char PRESETS[] = "CT "; /* what the names of our presets begin with */

QString TextOf(vtkSMProxy *proxy, const char *property) {
  return QString::fromUtf8(vtkSMPropertyHelper(proxy, property, true).GetAsString());
}
} // namespace

XACPanel::XACPanel(vtkSMProxy *smproxy, vtkSMPropertyGroup *group, QWidget *parentWidget)
    : pqPropertyGroupWidget(smproxy, group, parentWidget) {
  this->setShowLabel(true);
  QFormLayout *rows = new QFormLayout(this);
  rows->setContentsMargins(0, 0, 0, 0);
  rows->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
  this->addKernelRow(rows);
  this->Rows = new QWidget(this);
  new QFormLayout(this->Rows);
  this->Rows->layout()->setContentsMargins(0, 0, 0, 0);
  rows->addRow(this->Rows);
  this->addColourRow(rows);
  this->Status = new QLabel(this);
  this->Status->setObjectName(QStringLiteral("Status"));
  this->Status->setWordWrap(true);
  this->Status->setTextInteractionFlags(Qt::TextSelectableByMouse);
  this->Status->setToolTip(
      tr("Back end, instruction set or device, threads, kernel and time of the "
         "last frame on the first rank, and what the user should know."));
  rows->addRow(tr("In use"), this->Status);

  this->Later = new QTimer(this);
  this->Later->setSingleShot(true);
  this->Later->setInterval(200);
  connect(this->Later, &QTimer::timeout, this, &XACPanel::refresh);
  connect(this, &pqPropertyWidget::viewChanged, this, &XACPanel::watch);

  this->addPropertyLink(this, "kernel", SIGNAL(kernelChanged()), smproxy->GetProperty("XACKernel"));
  this->addPropertyLink(this, "parameters", SIGNAL(parametersChanged()),
                        smproxy->GetProperty("XACParameters"));
  this->watch(pqActiveObjects::instance().activeView());
  this->Later->start();
}

void XACPanel::addKernelRow(QFormLayout *rows) {
  this->Kernel = new QComboBox(this);
  this->Kernel->setObjectName(QStringLiteral("Kernel"));
  this->Kernel->setEditable(true);
  this->Kernel->setInsertPolicy(QComboBox::NoInsert);
  this->Kernel->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  for (const char *name :
       {"plain", "local", "scatter", "occlusion", "local+occlusion", "scatter+occlusion"}) {
    this->Kernel->addItem(QString::fromLatin1(name));
  }
  this->Kernel->setToolTip(getTooltip(this->proxy()->GetProperty("XACKernel")));
  connect(this->Kernel->lineEdit(), &QLineEdit::editingFinished, this, &XACPanel::kernelChanged);
  connect(this->Kernel, static_cast<void (QComboBox::*)(int)>(&QComboBox::activated), this,
          [this](int) { Q_EMIT this->kernelChanged(); });
  QToolButton *browseButton = new QToolButton(this);
  browseButton->setText(QStringLiteral("..."));
  browseButton->setToolTip(tr("A kernel file on the server."));
  connect(browseButton, &QToolButton::clicked, this, &XACPanel::browse);
  QToolButton *reloadButton = new QToolButton(this);
  reloadButton->setText(tr("Reload"));
  reloadButton->setToolTip(getTooltip(this->proxy()->GetProperty("XACReload")));
  connect(reloadButton, &QToolButton::clicked, this, &XACPanel::reload);
  QHBoxLayout *row = new QHBoxLayout;
  row->addWidget(this->Kernel, 1);
  row->addWidget(browseButton);
  row->addWidget(reloadButton);
  rows->addRow(tr("Kernel"), row);
}

void XACPanel::addColourRow(QFormLayout *rows) {
  this->Preset = new QComboBox(this);
  this->Preset->setObjectName(QStringLiteral("Preset"));
  this->Preset->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  this->Preset->setToolTip(
      tr("Colours and opacities made for CT, laid over the window of values."));
  this->Preset->addItem(tr("choose"));
  vtkSMTransferFunctionPresets *presets = vtkSMTransferFunctionPresets::GetInstance();
  for (unsigned int i = 0; i < presets->GetNumberOfPresets(); i++) {
    const std::string name = presets->GetPresetName(i);
    if (name.compare(0, std::strlen(PRESETS), PRESETS) == 0) {
      this->Preset->addItem(QString::fromStdString(name));
    }
  }
  connect(this->Preset, static_cast<void (QComboBox::*)(int)>(&QComboBox::activated), this,
          [this](int) { this->applyPreset(); });
  QPushButton *window = new QPushButton(tr("Window"), this);
  window->setObjectName(QStringLiteral("Window"));
  window->setToolTip(tr("Lays colours and opacities between the 0.1 and 99.9 percentiles of the "
                        "finite values of the whole volume."));
  connect(window, &QPushButton::clicked, this, &XACPanel::applyWindow);
  QHBoxLayout *row = new QHBoxLayout;
  row->addWidget(this->Preset, 1);
  row->addWidget(window);
  rows->addRow(tr("Colours"), row);
}

QString XACPanel::kernel() const {
  return this->Kernel->currentText().trimmed();
}

void XACPanel::setKernel(const QString &name) {
  const int known = this->Kernel->findText(name);
  if (known >= 0) {
    this->Kernel->setCurrentIndex(known);
  } else {
    this->Kernel->setEditText(name);
  }
  this->Later->start();
}

QString XACPanel::parameters() const {
  return this->Text;
}

void XACPanel::setParameters(const QString &text) {
  if (text != this->Text) {
    this->Text = text;
    TakeValues(text, &this->Declared);
    this->showParameters();
  }
}

void XACPanel::browse() {
  pqFileDialog dialog(pqActiveObjects::instance().activeServer(), this, tr("Kernel file"),
                      QString(), tr("C files (*.c)"));
  dialog.setFileMode(pqFileDialog::ExistingFile);
  if (dialog.exec() == QDialog::Accepted && !dialog.getSelectedFiles().isEmpty()) {
    this->setKernel(dialog.getSelectedFiles().first());
    Q_EMIT this->kernelChanged();
  }
}

void XACPanel::reload() {
  this->proxy()->InvokeCommand("XACReload");
  this->renderView();
  this->Later->start();
}

/* What the server knows is asked for once the view has been still for a moment. */
void XACPanel::watch(pqView *newView) {
  if (this->Watched == newView) {
    return;
  }
  if (this->Watched) {
    disconnect(this->Watched, nullptr, this, nullptr);
  }
  this->Watched = newView;
  if (newView) {
    connect(newView, &pqView::endRender, this, [this]() {
      if (this->isVisible()) {
        this->Later->start();
      }
    });
  }
}

void XACPanel::refresh() {
  vtkSMProxy *smproxy = this->proxy();
  smproxy->UpdatePropertyInformation(smproxy->GetProperty("XACStatus"));
  smproxy->UpdatePropertyInformation(smproxy->GetProperty("XACDeclaredParameters"));
  QString status = TextOf(smproxy, "XACStatus"); /* a path may be broken at its slashes */
  this->Status->setText(status.replace(QLatin1Char('/'), QStringLiteral("/\u200b")));
  const bool file = this->Kernel->findText(this->kernel()) < 0;
  const QString text = file ? TextOf(smproxy, "XACDeclaredParameters") : QString();
  if (text != this->DeclaredText) {
    this->DeclaredText = text;
    this->Declared = ReadDeclared(text);
    TakeValues(this->Text, &this->Declared);
    this->showParameters();
  }
}

void XACPanel::showParameters() {
  QFormLayout *rows = static_cast<QFormLayout *>(this->Rows->layout());
  while (rows->rowCount() > 0) {
    rows->removeRow(0);
  }
  for (int i = 0; i < this->Declared.size(); i++) {
    this->addParameter(rows, i);
  }
  this->Rows->setVisible(!this->Declared.isEmpty());
}

void XACPanel::addParameter(QFormLayout *rows, int number) {
  const XACDeclared &one = this->Declared.at(number);
  auto changed = [this, number](double value) {
    this->Declared[number].Value = value;
    this->Text = WriteValues(this->Declared);
    Q_EMIT this->parametersChanged();
  };
  QWidget *field = nullptr;
  if (one.Whole) {
    QSpinBox *box = new QSpinBox(this->Rows);
    box->setKeyboardTracking(false);
    box->setRange(static_cast<int>(one.Least), static_cast<int>(one.Greatest));
    box->setValue(static_cast<int>(one.Value));
    connect(box, static_cast<void (QSpinBox::*)(int)>(&QSpinBox::valueChanged), this,
            [changed](int value) { changed(value); });
    field = box;
  } else {
    pqDoubleRangeWidget *slider = new pqDoubleRangeWidget(this->Rows);
    slider->setMinimum(one.Least);
    slider->setMaximum(one.Greatest);
    slider->setValue(one.Value);
    connect(slider, &pqDoubleRangeWidget::valueEdited, this, changed);
    field = slider;
  }
  QLabel *label = new QLabel(one.Name, this->Rows);
  field->setObjectName(one.Name);
  field->setToolTip(one.Help);
  label->setToolTip(one.Help);
  rows->addRow(label, field);
}

void XACPanel::applyPreset() {
  const QString name = this->Preset->currentText();
  if (!name.startsWith(QLatin1String(PRESETS))) {
    return;
  }
  const bool labels = name == QLatin1String("CT labels"); /* a colour a value: never stretched */
  for (const char *property : {"LookupTable", "ScalarOpacityFunction"}) {
    vtkSMProxy *function = vtkSMPropertyHelper(this->proxy(), property, true).GetAsProxy();
    if (function != nullptr) {
      vtkSMTransferFunctionProxy::ApplyPreset(function, name.toUtf8().constData(), !labels);
    }
  }
  vtkSMPropertyHelper(this->proxy(), "XACLabels").Set(labels ? 1 : 0);
  this->proxy()->UpdateVTKObjects();
  this->renderView();
}

void XACPanel::applyWindow() {
  vtkSMProxy *smproxy = this->proxy();
  smproxy->InvokeCommand("XACMeasure");
  if (!this->Watched) {
    return;
  }
  this->Watched->forceRender();
  smproxy->UpdatePropertyInformation(smproxy->GetProperty("XACWindow"));
  double window[2] = {0.0, 0.0};
  vtkSMPropertyHelper(smproxy, "XACWindow", true).Get(window, 2);
  if (window[0] < window[1]) {
    for (const char *property : {"LookupTable", "ScalarOpacityFunction"}) {
      vtkSMProxy *function = vtkSMPropertyHelper(smproxy, property, true).GetAsProxy();
      if (function != nullptr) {
        vtkSMTransferFunctionProxy::RescaleTransferFunction(function, window);
      }
    }
    this->renderView();
  }
}

void XACPanel::renderView() {
  if (this->Watched) {
    this->Watched->render();
  }
}
