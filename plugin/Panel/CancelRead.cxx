/* SPDX-License-Identifier: BSD-3-Clause */
#include "CancelRead.h"

#include <pqApplicationCore.h>
#include <pqCoreUtilities.h>
#include <pqPipelineSource.h>
#include <pqProgressManager.h>
#include <pqServerManagerModel.h>
#include <vtkAlgorithm.h>
#include <vtkClientServerStream.h>
#include <vtkPVSession.h>
#include <vtkSMProxy.h>
#include <vtkSMSession.h>

#include <QApplication>
#include <QMouseEvent>
#include <QToolButton>

#include <cstring>

namespace {

const char *const READER = "BeamcastVolumeReader";

QPoint PlaceOf(const QMouseEvent *event) {
#if QT_VERSION >= QT_VERSION_CHECK(6, 0, 0)
  return event->globalPosition().toPoint();
#else
  return event->globalPos();
#endif
}

/* What people do, and what must not reach a program whose pipeline runs. */
bool IsInput(QEvent::Type type) {
  switch (type) {
  case QEvent::MouseButtonPress:
  case QEvent::MouseButtonRelease:
  case QEvent::MouseButtonDblClick:
  case QEvent::Wheel:
  case QEvent::KeyPress:
  case QEvent::KeyRelease:
  case QEvent::Shortcut:
  case QEvent::ShortcutOverride:
  case QEvent::ContextMenu:
  case QEvent::Drop:
  case QEvent::Close:
    return true;
  default:
    return false;
  }
}

} // namespace

CancelRead::CancelRead(QObject *owner) : QObject(owner) {
  pqProgressManager *manager = pqApplicationCore::instance()->getProgressManager();
  connect(manager, &pqProgressManager::progress, this, &CancelRead::progress);
  connect(manager, &pqProgressManager::progressEndEvent, this, &CancelRead::ended);
}

/* A nested loop that runs no timers and reads no sockets: what they would start must wait for the
 * pipeline. */
void CancelRead::progress(const QString &what, int) {
  if (this->Looking || !what.contains(QLatin1String(READER))) {
    return;
  }
  QWidget *window = pqCoreUtilities::mainWidget();
  if (this->Cross == nullptr && window != nullptr) {
    this->Cross = window->findChild<QToolButton *>(QStringLiteral("AbortButton"));
  }
  if (this->Cross == nullptr) {
    return;
  }
  this->Cross->setEnabled(!this->Asked);
  this->Cross->repaint();
  this->Looking = true;
  qApp->installEventFilter(this);
  QCoreApplication::processEvents(QEventLoop::ExcludeSocketNotifiers |
                                  QEventLoop::X11ExcludeTimers);
  qApp->removeEventFilter(this);
  this->Looking = false;
}

void CancelRead::ended() {
  this->Asked = false;
  if (this->Cross != nullptr) {
    this->Cross->setEnabled(false);
  }
}

/* A press comes to the window first; ParaView's own filter would keep it from the cross. */
bool CancelRead::eventFilter(QObject *receiver, QEvent *event) {
  if (!this->Looking || !IsInput(event->type())) {
    return QObject::eventFilter(receiver, event);
  }
  if (event->type() == QEvent::Close) {
    event->ignore();
  }
  if (event->type() == QEvent::MouseButtonPress && receiver->isWindowType() && !this->Asked) {
    const QPoint place =
        this->Cross->mapFromGlobal(PlaceOf(static_cast<const QMouseEvent *>(event)));
    if (this->Cross->rect().contains(place)) {
      this->Asked = true;
      this->Cross->setEnabled(false);
      this->cancel();
    }
  }
  return true;
}

/* Here the reader is told directly. A server that reads sees the message as it waits for it. */
void CancelRead::cancel() {
  const pqServerManagerModel *model = pqApplicationCore::instance()->getServerManagerModel();
  for (const pqPipelineSource *source : model->findItems<pqPipelineSource *>()) {
    vtkSMProxy *proxy = source->getProxy();
    if (std::strcmp(proxy->GetXMLName(), READER) != 0) {
      continue;
    }
    auto *here = vtkAlgorithm::SafeDownCast(proxy->GetClientSideObject());
    if (here != nullptr) {
      if (here->GetProgress() < 1) { /* setting it changes the reader, so only that which reads */
        here->SetAbortExecute(1);
      }
      continue;
    }
    vtkClientServerStream stream;
    stream << vtkClientServerStream::Invoke << VTKOBJECT(proxy) << "CancelVolumeRead"
           << vtkClientServerStream::End;
    proxy->GetSession()->ExecuteStream(proxy->GetLocation(), stream, true);
  }
}
