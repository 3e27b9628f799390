#include "xac_internal.h"
void xac_user_free(xac_user *user) {
  (void)user;
}
xac_cpu_tile_function xac_user_tile(const xac_user *user) {
  (void)user;
  return NULL;
}
void xac_user_values(const xac_user *user, float *values) {
  (void)user;
  (void)values;
}
int xac_user_everywhere(const xac_user *user) {
  (void)user;
  return 0;
}
