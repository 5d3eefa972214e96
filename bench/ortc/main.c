// Runs a graph with ONNX Runtime's C API alone: the least that any program
// pays. The peer of "nprload -bare"; bench/run.sh compiles and runs it.
//
//   ortc LIBRARY MODEL.onnx BATCH SECONDS
//
// Pictures are 224 x 224 noise, two threads, settings as in ml/ort. Prints images
// per second as JSON.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "onnxruntime_c_api.h"

enum { SIDE = 224, THREADS = 2 };

static const OrtApi *ort;

static void check(OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "ortc: %s\n", ort->GetErrorMessage(status));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: ortc LIBRARY MODEL.onnx BATCH SECONDS\n");
    return 2;
  }
  void *library = dlopen(argv[1], RTLD_NOW);
  const OrtApiBase *(*base)(void) = library ? (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase") : NULL;
  if (base == NULL || (ort = base()->GetApi(ORT_API_VERSION)) == NULL) {
    fprintf(stderr, "ortc: %s is no ONNX Runtime of API version %d\n", argv[1], ORT_API_VERSION);
    return 1;
  }
  const int64_t batch = atoll(argv[3]);
  const double seconds = atof(argv[4]);

  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "ortc", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->SetIntraOpNumThreads(options, THREADS));
  check(ort->SetInterOpNumThreads(options, 1));
  check(ort->DisableMemPattern(options));
  check(ort->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
  check(ort->CreateSession(env, argv[2], options, &session));

  OrtAllocator *allocator;
  char *input, *output;
  check(ort->GetAllocatorWithDefaultOptions(&allocator));
  check(ort->SessionGetInputName(session, 0, allocator, &input));
  check(ort->SessionGetOutputName(session, 0, allocator, &output));
  const char *inputs[] = {input}, *outputs[] = {output};

  const size_t count = (size_t)batch * 3 * SIDE * SIDE;
  float *pixels = malloc(count * sizeof *pixels);
  for (size_t i = 0; i < count; i++) pixels[i] = (float)rand() / RAND_MAX;
  const int64_t shape[] = {batch, 3, SIDE, SIDE};
  OrtMemoryInfo *memory;
  OrtValue *in, *out = NULL;
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  check(ort->CreateTensorWithDataAsOrtValue(memory, pixels, count * sizeof *pixels, shape, 4, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in));

  // The first run makes the output, later ones write into it.
  for (int i = 0; i < 3; i++) check(ort->Run(session, NULL, inputs, (const OrtValue *const *)&in, 1, outputs, 1, &out));
  long runs = 0;
  const double start = now();
  double end;
  do {
    check(ort->Run(session, NULL, inputs, (const OrtValue *const *)&in, 1, outputs, 1, &out));
    runs++;
    end = now();
  } while (end - start < seconds);
  printf("{\"images_per_s\": %.4f}\n", (double)(runs * batch) / (end - start));
  return 0;
}
