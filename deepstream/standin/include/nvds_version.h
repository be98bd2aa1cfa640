/* Which DeepStream this is, written anew for the stand-in. */
#ifndef STANDIN_NVDS_VERSION_H
#define STANDIN_NVDS_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

void nvds_version(unsigned int *major, unsigned int *minor);

#ifdef __cplusplus
}
#endif
#endif
