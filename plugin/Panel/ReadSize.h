/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The row "That takes" of Beamcast Volume Reader in ParaView's panel: what dataset, region, stride
 * and type take, as they stand in the panel, before they are applied.
 */
#ifndef ReadSize_h
#define ReadSize_h

#include <pqPropertyWidget.h>

class QLabel;

class ReadSize : public pqPropertyWidget {
  Q_OBJECT

public:
  ReadSize(vtkSMProxy *proxy, vtkSMProperty *property, QWidget *parent = nullptr);

private Q_SLOTS:
  void refresh();

private:
  QLabel *Text = nullptr;
};

#endif
