// Package provenance reads what a picture's file says about where the picture
// comes from: EXIF, XMP, IPTC, the parameters that generators leave, and C2PA
// manifests.
//
//	report := provenance.Read(ctx, data, provenance.Options{})
//	fmt.Println(report.Summary)
//
// All of it but C2PA is a claim: anyone can write it into any picture, and most
// services remove it. So a report never makes or changes a verdict about a
// picture; it stands beside the detector's score, and its words say what follows
// only if a claim is true. A picture without metadata is no more and no less
// likely to be real.
//
// Only what lies inside the picture's own structure counts: segments of a JPEG up
// to the end of its first picture, chunks of a PNG up to IEND whose CRC holds,
// chunks within a WebP's RIFF size, top-level boxes of an AVIF or HEIC, the
// directories of a TIFF, blocks of a GIF up to its trailer. What is appended is
// never read.
//
// A C2PA manifest is found here and checked by a [Checker]; package
// media/provenance/c2pa is one. Without it the report says that there is a
// manifest and that it was not checked.
package provenance
