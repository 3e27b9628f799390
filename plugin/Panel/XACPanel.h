/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The group XAC Volume in ParaView's panel: the kernel, a row for each parameter that a kernel file
 * declares, colours and window made for CT, and what is in use.
 */
#ifndef XACPanel_h
#define XACPanel_h

#include "XACDeclared.h"

#include <pqPropertyGroupWidget.h>

#include <QPointer>

class QComboBox;
class QFormLayout;
class QLabel;
class QTimer;
class pqView;

class XACPanel : public pqPropertyGroupWidget {
  Q_OBJECT
  Q_PROPERTY(QString kernel READ kernel WRITE setKernel NOTIFY kernelChanged)
  Q_PROPERTY(QString parameters READ parameters WRITE setParameters NOTIFY parametersChanged)

public:
  XACPanel(vtkSMProxy *proxy, vtkSMPropertyGroup *group, QWidget *parent = nullptr);

  QString kernel() const;
  void setKernel(const QString &name);
  QString parameters() const;
  void setParameters(const QString &text);

Q_SIGNALS:
  void kernelChanged();
  void parametersChanged();

private:
  void addKernelRow(QFormLayout *rows);
  void addColourRow(QFormLayout *rows);
  void browse();
  void reload();
  void watch(pqView *view);
  void refresh();
  void showParameters();
  void addParameter(QFormLayout *rows, int number);
  void applyPreset();
  void applyWindow();
  void renderView();

  QComboBox *Kernel = nullptr, *Preset = nullptr;
  QWidget *Rows = nullptr;
  QLabel *Status = nullptr;
  QTimer *Later = nullptr;
  QPointer<pqView> Watched;
  QString Text; /* the property's */
  QString DeclaredText;
  QList<XACDeclared> Declared;
};

#endif
