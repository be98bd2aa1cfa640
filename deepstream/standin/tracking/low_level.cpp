// The closed library behind nvtracker by name alone: nvtracker refuses to start without these functions, the stand-in's tracker
// is its own. Install it where the tracker's configuration names the real one.
extern "C" {
int NvMOT_Init(const void *, void **, void *);
void NvMOT_DeInit(void *);
int NvMOT_Process(void *, void *, void *);

int NvMOT_Init(const void *, void **, void *) {
  return 0;
}
void NvMOT_DeInit(void *) {}
int NvMOT_Process(void *, void *, void *) {
  return 0;
}
}
