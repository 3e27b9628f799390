/* SPDX-License-Identifier: BSD-3-Clause */
#include "XACDeclared.h"

#include <QRegularExpression>
#include <QStringList>

QList<XACDeclared> ReadDeclared(const QString &text) {
  static const QRegularExpression form(
      QStringLiteral("^(\\w+)=(\\S+) \\((float|int), (\\S+) to (\\S+)\\): (.*)$"));
  QList<XACDeclared> all;
  for (const QString &line : text.split(QLatin1Char('\n'))) {
    const QRegularExpressionMatch match = form.match(line);
    if (match.hasMatch()) {
      XACDeclared one;
      one.Name = match.captured(1);
      one.Value = match.captured(2).toDouble();
      one.Whole = match.captured(3) == QLatin1String("int");
      one.Least = match.captured(4).toDouble();
      one.Greatest = match.captured(5).toDouble();
      one.Help = match.captured(6);
      all.append(one);
    }
  }
  return all;
}

void TakeValues(const QString &parameters, QList<XACDeclared> *declared) {
  for (const QString &word : parameters.split(QLatin1Char(' '))) {
    const QString name = word.section(QLatin1Char('='), 0, 0);
    bool number = false;
    const double value = word.section(QLatin1Char('='), 1).toDouble(&number);
    for (XACDeclared &one : *declared) {
      if (number && one.Name == name) {
        one.Value = value;
      }
    }
  }
}

QString WriteValues(const QList<XACDeclared> &declared) {
  QStringList words;
  for (const XACDeclared &one : declared) {
    words.append(one.Name + QLatin1Char('=') + QString::number(one.Value, 'g', 9));
  }
  return words.join(QLatin1Char(' '));
}
