/* Group norm followed by SiLU, forward and backward, in one pass over memory each. Tensors are f32, channels-last:
 * [n, pixels, c]. train.py compiles this file where a C compiler is found and does the same with PyTorch's own operators
 * where none is.
 *   y = act(a x + b),  a = weight rstd,  b = bias - mean a;  mean and rstd per picture and group of c / groups channels */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline float sigmoid(float z) { /* relative error 2e-6; written so that compilers vectorise it */
  float x = fminf(fmaxf(-z, -60.f), 60.f) * 1.44269504f;
  float whole = floorf(x), f = x - whole;
  float p = 1.f + f * (0.69314718f + f * (0.24022651f + f * (0.05550411f + f * (0.00961813f + f * (0.00133336f + f * 0.00015469f)))));
  int32_t bits = ((int32_t)whole + 127) << 23;
  float scale;
  memcpy(&scale, &bits, 4);
  return 1.f / (1.f + p * scale);
}

enum { BLOCK = 64, MAX_C = 1024 };

void norm_silu_forward(const float *x, const float *weight, const float *bias, float *y, float *mean, float *rstd,
                       int n, int pixels, int c, int groups, float eps, int act) {
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    const float *xi = x + (size_t)i * pixels * c;
    float *yi = y + (size_t)i * pixels * c;
    double sum[MAX_C] = {0}, square[MAX_C] = {0};
    for (int p0 = 0; p0 < pixels; p0 += BLOCK) {
      float s[MAX_C] = {0}, q[MAX_C] = {0};
      for (int p = p0; p < p0 + BLOCK && p < pixels; p++)
        for (int k = 0; k < c; k++) {
          float v = xi[(size_t)p * c + k];
          s[k] += v;
          q[k] += v * v;
        }
      for (int k = 0; k < c; k++) sum[k] += s[k], square[k] += q[k];
    }
    float a[MAX_C], b[MAX_C];
    int per = c / groups;
    for (int g = 0; g < groups; g++) {
      double s = 0, q = 0, count = (double)per * pixels;
      for (int k = g * per; k < (g + 1) * per; k++) s += sum[k], q += square[k];
      double m = s / count, r = 1 / sqrt(fmax(q / count - m * m, 0) + eps);
      mean[i * groups + g] = m, rstd[i * groups + g] = r;
      for (int k = g * per; k < (g + 1) * per; k++) a[k] = weight[k] * r, b[k] = bias[k] - m * a[k];
    }
    for (int p = 0; p < pixels; p++)
      for (int k = 0; k < c; k++) {
        float z = a[k] * xi[(size_t)p * c + k] + b[k];
        yi[(size_t)p * c + k] = act ? z * sigmoid(z) : z;
      }
  }
}

/* dweight and dbias are [n, c]: the caller sums over n. */
void norm_silu_backward(const float *x, const float *dy, const float *weight, const float *bias, const float *mean,
                        const float *rstd, float *dx, float *dweight, float *dbias, int n, int pixels, int c,
                        int groups, int act) {
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    const size_t at = (size_t)i * pixels * c;
    float a[MAX_C], b[MAX_C], t0[MAX_C], t1[MAX_C];
    double sum[MAX_C] = {0}, dot[MAX_C] = {0};
    int per = c / groups;
    for (int k = 0; k < c; k++) {
      a[k] = weight[k] * rstd[i * groups + k / per];
      b[k] = bias[k] - mean[i * groups + k / per] * a[k];
    }
    float *dz = malloc(sizeof(float) * pixels * c);
    for (int p0 = 0; p0 < pixels; p0 += BLOCK) {
      float s[MAX_C] = {0}, q[MAX_C] = {0};
      for (int p = p0; p < p0 + BLOCK && p < pixels; p++)
        for (int k = 0; k < c; k++) {
          size_t j = at + (size_t)p * c + k;
          float v = x[j], z = a[k] * v + b[k], d = dy[j];
          if (act) {
            float g = sigmoid(z);
            d *= g * (1 + z * (1 - g));
          }
          dz[(size_t)p * c + k] = d;
          s[k] += d;
          q[k] += d * v;
        }
      for (int k = 0; k < c; k++) sum[k] += s[k], dot[k] += q[k];
    }
    for (int g = 0; g < groups; g++) {
      float m = mean[i * groups + g], r = rstd[i * groups + g];
      double mean_d = 0, mean_dx = 0, count = (double)per * pixels;
      for (int k = g * per; k < (g + 1) * per; k++) {
        double along = (dot[k] - m * sum[k]) * r; /* sum of dz * xhat */
        dweight[i * c + k] = along;
        dbias[i * c + k] = sum[k];
        mean_d += weight[k] * sum[k] / count;
        mean_dx += weight[k] * along / count;
      }
      /* dx = r (w dz - mean_d - xhat mean_dx) = a dz + t1 x + t0 */
      for (int k = g * per; k < (g + 1) * per; k++) t1[k] = -r * r * mean_dx, t0[k] = -r * mean_d + r * r * m * mean_dx;
    }
    for (int p = 0; p < pixels; p++)
      for (int k = 0; k < c; k++) {
        size_t j = at + (size_t)p * c + k;
        dx[j] = a[k] * dz[(size_t)p * c + k] + t1[k] * x[j] + t0[k];
      }
    free(dz);
  }
}
