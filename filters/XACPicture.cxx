// SPDX-License-Identifier: BSD-3-Clause
#include "XACPicture.h"

#include "vtkCamera.h"
#include "vtkMatrix4x4.h"
#include "vtkOpenGLQuadHelper.h"
#include "vtkOpenGLRenderWindow.h"
#include "vtkOpenGLShaderCache.h"
#include "vtkOpenGLState.h"
#include "vtkRenderer.h"
#include "vtkShaderProgram.h"
#include "vtkTextureObject.h"
#include "vtk_glew.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

XACPicture::XACPicture() = default;
XACPicture::~XACPicture() = default;

namespace {
void Unproject(const double *m, double x, double y, double z, double *world) {
  double h[4];
  for (int i = 0; i < 4; i++) {
    h[i] = m[4 * i] * x + m[4 * i + 1] * y + m[4 * i + 2] * z + m[4 * i + 3];
  }
  for (int i = 0; i < 3; i++) {
    world[i] = h[i] / h[3];
  }
}
} // namespace

bool XACPicture::Begin(vtkRenderer *renderer, int coarse) {
  renderer->GetTiledSizeAndOrigin(&this->Width, &this->Height, &this->Lower[0], &this->Lower[1]);
  if (this->Width < 1 || this->Height < 1) {
    return false;
  }
  vtkCamera *camera = renderer->GetActiveCamera();
  vtkNew<vtkMatrix4x4> m;
  m->DeepCopy(
      camera->GetCompositeProjectionTransformMatrix(renderer->GetTiledAspectRatio(), -1, 1));
  if (m->Determinant() == 0.0) {
    return false;
  }
  m->Invert();
  std::copy(m->GetData(), m->GetData() + 16, this->ToWorld);

  xac_camera &c = this->Rays;
  std::memset(&c, 0, sizeof c);
  c.width = (this->Width + coarse - 1) / coarse;
  c.height = (this->Height + coarse - 1) / coarse;
  // Pixel centres; a coarse picture covers the same viewport.
  const double dx = 2.0 / c.width, dy = 2.0 / c.height;
  const double x0 = -1.0 + 0.5 * dx, y0 = -1.0 + 0.5 * dy;
  double near0[3], nearX[3], nearY[3], far0[3], farX[3], farY[3], eye[3];
  Unproject(this->ToWorld, x0, y0, -1, near0);
  Unproject(this->ToWorld, x0 + dx, y0, -1, nearX);
  Unproject(this->ToWorld, x0, y0 + dy, -1, nearY);
  Unproject(this->ToWorld, x0, y0, 1, far0);
  Unproject(this->ToWorld, x0 + dx, y0, 1, farX);
  Unproject(this->ToWorld, x0, y0 + dy, 1, farY);
  const bool parallel = camera->GetParallelProjection() != 0;
  if (camera->GetUseOffAxisProjection()) {
    camera->GetEyePosition(eye);
  } else {
    camera->GetPosition(eye);
  }
  for (int a = 0; a < 3; a++) {
    if (parallel) {
      c.origin[a] = near0[a];
      c.origin_dx[a] = nearX[a] - near0[a];
      c.origin_dy[a] = nearY[a] - near0[a];
      c.direction[a] = far0[a] - near0[a];
    } else {
      c.origin[a] = eye[a];
      c.direction[a] = far0[a] - eye[a];
      c.direction_dx[a] = farX[a] - far0[a];
      c.direction_dy[a] = farY[a] - far0[a];
    }
  }
  return true;
}

// Fills Depth with the window's depth buffer under the viewport; false when nothing is in it.
bool XACPicture::ReadDepth(vtkRenderer *renderer) {
  this->Depth.resize(static_cast<size_t>(this->Width) * this->Height);
  vtkRenderWindow *window = renderer->GetRenderWindow();
  if (!window->GetZbufferData(this->Lower[0], this->Lower[1], this->Lower[0] + this->Width - 1,
                              this->Lower[1] + this->Height - 1, this->Depth.data())) {
    return false;
  }
  return std::any_of(this->Depth.begin(), this->Depth.end(),
                     [](float z) { return z > 0.0f && z < 1.0f; });
}

xac_image XACPicture::Image(vtkRenderer *renderer, bool limit) {
  const xac_camera &c = this->Rays;
  const size_t count = static_cast<size_t>(c.width) * c.height;
  this->Pixels.resize(4 * count);
  xac_image image = {this->Pixels.data(), nullptr, nullptr, 0};
  if (!limit || !this->ReadDepth(renderer)) {
    return image;
  }
  this->Limit.assign(count, std::numeric_limits<float>::infinity());
  for (int y = 0; y < c.height; y++) {
    for (int x = 0; x < c.width; x++) {
      int px = std::min(static_cast<int>((x + 0.5) * this->Width / c.width), this->Width - 1);
      int py = std::min(static_cast<int>((y + 0.5) * this->Height / c.height), this->Height - 1);
      float z = this->Depth[static_cast<size_t>(py) * this->Width + px];
      if (!(z < 1.0f)) {
        continue;
      }
      double world[3], distance = 0.0;
      Unproject(this->ToWorld, (x + 0.5) * 2.0 / c.width - 1.0, (y + 0.5) * 2.0 / c.height - 1.0,
                2.0 * z - 1.0, world);
      for (int a = 0; a < 3; a++) {
        double d = world[a] - (c.origin[a] + x * c.origin_dx[a] + y * c.origin_dy[a]);
        distance += d * d;
      }
      this->Limit[static_cast<size_t>(y) * c.width + x] = static_cast<float>(std::sqrt(distance));
    }
  }
  image.depth_limit = this->Limit.data();
  return image;
}

void XACPicture::Show(vtkRenderer *renderer) {
  /* A highlight may be brighter than its opacity allows; IceT's sums of 8 bits would then overflow.
   */
  static const char *fragment = "//VTK::System::Dec\n"
                                "in vec2 texCoord;\n"
                                "uniform sampler2D picture;\n"
                                "//VTK::Output::Dec\n"
                                "void main() {\n"
                                "  vec4 c = texture(picture, texCoord);\n"
                                "  gl_FragData[0] = vec4(min(c.rgb, c.aaa), c.a);\n"
                                "}\n";
  auto window = vtkOpenGLRenderWindow::SafeDownCast(renderer->GetRenderWindow());
  if (!window) {
    return;
  }
  const xac_camera &c = this->Rays;
  vtkOpenGLState *state = window->GetState();
  vtkOpenGLState::ScopedglEnableDisable depthTest(state, GL_DEPTH_TEST);
  vtkOpenGLState::ScopedglEnableDisable blend(state, GL_BLEND);
  vtkOpenGLState::ScopedglBlendFuncSeparate blendFunction(state);
  vtkOpenGLState::ScopedglDepthMask depthMask(state);
  state->vtkglDisable(GL_DEPTH_TEST);
  state->vtkglDepthMask(GL_FALSE);
  state->vtkglEnable(GL_BLEND);
  state->vtkglBlendFuncSeparate(GL_ONE, GL_ONE_MINUS_SRC_ALPHA, GL_ONE, GL_ONE_MINUS_SRC_ALPHA);

  this->Texture->SetContext(window);
  this->Texture->SetWrapS(vtkTextureObject::ClampToEdge);
  this->Texture->SetWrapT(vtkTextureObject::ClampToEdge);
  // A coarse picture is not smoothed: ranks would be, each by itself, and seen through at their
  // border.
  this->Texture->SetMinificationFilter(vtkTextureObject::Nearest);
  this->Texture->SetMagnificationFilter(vtkTextureObject::Nearest);
  this->Texture->Create2DFromRaw(static_cast<unsigned>(c.width), static_cast<unsigned>(c.height), 4,
                                 VTK_FLOAT, this->Pixels.data());
  if (!this->Quad) {
    this->Quad.reset(new vtkOpenGLQuadHelper(window, nullptr, fragment, nullptr));
  } else {
    window->GetShaderCache()->ReadyShaderProgram(this->Quad->Program);
  }
  if (this->Quad->Program && this->Quad->Program->GetCompiled()) {
    this->Texture->Activate();
    this->Quad->Program->SetUniformi("picture", this->Texture->GetTextureUnit());
    this->Quad->Render();
    this->Texture->Deactivate();
  }
}

void XACPicture::ReleaseGraphicsResources(vtkWindow *window) {
  this->Texture->ReleaseGraphicsResources(window);
  if (this->Quad) {
    this->Quad->ReleaseGraphicsResources(window);
    this->Quad.reset();
  }
}
