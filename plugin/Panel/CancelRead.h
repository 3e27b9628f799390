/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Has ParaView's cross beside the progress bar end a read of Beamcast Volume Reader, here or on a
 * server. ParaView (5.11 to 6.0) takes no clicks while a pipeline runs and connects the cross to
 * nothing.
 */
#ifndef CancelRead_h
#define CancelRead_h

#include <QObject>
#include <QPointer>

class QToolButton;

class CancelRead : public QObject {
  Q_OBJECT

public:
  explicit CancelRead(QObject *owner);

private Q_SLOTS:
  void progress(const QString &what, int percent);
  void ended();

protected:
  bool eventFilter(QObject *receiver, QEvent *event) override;

private:
  void cancel();

  QPointer<QToolButton> Cross;
  bool Looking = false; /* events are being looked through */
  bool Asked = false;   /* the cross was pressed */
};

#endif
