package ort

/*
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
static void trim(void) { malloc_trim(0); }
#else
static void trim(void) {}
#endif
*/
import "C"

import "runtime/debug"

// returnMemory gives the system back what loading a model leaves unused: the
// file's bytes on Go's heap and the decoded file on the C library's. Together
// they are about three times the model, and without this they stay resident
// beside what its runs need.
func returnMemory() {
	debug.FreeOSMemory()
	C.trim()
}
