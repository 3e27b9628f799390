/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parameters that a kernel file declares, as the representation reports them, and their values
 * as the property XACParameters holds them ("name=value name=value").
 */
#ifndef XACDeclared_h
#define XACDeclared_h

#include <QList>
#include <QString>

struct XACDeclared {
  QString Name, Help;
  bool Whole = false; /* int */
  double Least = 0.0, Greatest = 1.0, Value = 0.0;
};

/* From lines of the form "name=value (type, least to greatest): help"; others are passed over. */
QList<XACDeclared> ReadDeclared(const QString &text);

/* The declared parameters with the values that the property's text gives them. */
void TakeValues(const QString &parameters, QList<XACDeclared> *declared);

QString WriteValues(const QList<XACDeclared> &declared);

#endif
