// SPDX-License-Identifier: BSD-3-Clause
//
// Between a vtkRenderer and the volume renderer: rays from its camera, the depth of what is already
// drawn, and laying a picture over it.
#ifndef XACPicture_h
#define XACPicture_h

#include "vtkNew.h"
#include "vtkSmartPointer.h"
#include "xac.h"

#include <memory>
#include <vector>

class vtkOpenGLQuadHelper;
class vtkRenderer;
class vtkTextureObject;
class vtkWindow;

class XACPicture {
public:
  XACPicture();
  ~XACPicture();

  // Rays and picture for the renderer's viewport at 1 / coarse of its resolution. False when the
  // viewport has no pixels or the camera can't be inverted.
  bool Begin(vtkRenderer *renderer, int coarse);
  const xac_camera &Camera() const {
    return this->Rays;
  }
  // limit: end rays at what is drawn already.
  xac_image Image(vtkRenderer *renderer, bool limit);
  // Draws the picture over the viewport.
  void Show(vtkRenderer *renderer);
  void ReleaseGraphicsResources(vtkWindow *window);

private:
  bool ReadDepth(vtkRenderer *renderer);

  xac_camera Rays;
  double ToWorld[16]; // normalised device coordinates to world
  int Width = 0, Height = 0, Lower[2] = {0, 0};
  std::vector<float> Pixels, Depth, Limit;
  vtkNew<vtkTextureObject> Texture;
  std::unique_ptr<vtkOpenGLQuadHelper> Quad;
};

#endif
