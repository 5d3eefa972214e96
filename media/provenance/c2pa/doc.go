// Package c2pa checks C2PA manifests with the official library, c2pa-rs, by way
// of its C interface. It is the provenance.Checker of package media/provenance.
//
//	checker, err := c2pa.Open(ctx, c2pa.Options{Command: []string{exe, "c2pa-check"}})
//	if errors.Is(err, c2pa.ErrNotInstalled) {
//		checker = nil // reports say "not installed"
//	}
//	report := provenance.Read(ctx, data, provenance.Options{Checker: checker})
//
// The library is looked for at Options.LibraryPath, then at $BITMIND_C2PA, then
// in the cache folder, where scripts/c2pa.sh puts it
// ($XDG_CACHE_HOME/bitmind/c2pa), then in the system's library folders. A path
// that was named is used or refused.
//
// # A process of its own
//
// The bytes that are checked come from anyone, and the library is native code
// whose panics end the process. So each picture is checked by a process of its
// own: the program starts itself again (Options.Command), and that process calls
// Child, which loads the library, checks one picture from its standard input,
// writes the library's findings to its standard output and ends. A crash, an
// endless loop or a flood of memory costs that one answer. The process has limits
// of its own: processor time, memory, no core file, no file written, a handful of
// open files; the library may not use the network (no remote manifest, no OCSP).
// Starting it costs some 20 ms (BenchmarkCheck), and only pictures that hold a manifest pay it;
// nothing of the library stays in the program's memory.
package c2pa
