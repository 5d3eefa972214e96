package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// An Augmentation says how often and how strongly pictures are changed at random
// for training. Each change has a probability of its own (0 to 1), named after
// the change, and bounds between which its strength is drawn. Changes are made
// in the order of the fields. The zero value only crops.
//
// Pictures are cropped as they are, never scaled to fit: resampling would wipe
// out the traces by which generators are told.
type Augmentation struct {
	// Name is the preset's.
	Name string `json:"name"`

	// Challenge: the picture becomes what a validator would send (Draw, Apply,
	// JPEG 75) before everything else.
	Challenge float64 `json:"challenge"`
	// Shrink: the whole picture is scaled down as thumbnails are, its shorter side
	// to ShrinkMin to 1 times the result's side, whatever it was: how much is then
	// filled up must not tell how large the picture was. Smaller ones stay.
	Shrink    float64 `json:"shrink"`
	ShrinkMin float64 `json:"shrink_min"`
	// FlipHorizontal, FlipVertical: mirrored. Turn: turned by one to three
	// quarters, without a loss.
	FlipHorizontal float64 `json:"flip_horizontal"`
	FlipVertical   float64 `json:"flip_vertical"`
	Turn           float64 `json:"turn"`
	// Colours: colour statistics drawn towards those of a picture of the other
	// class (mean and deviation of each channel, after Reinhard et al. 2001), by
	// up to ColoursMax of the way.
	Colours    float64 `json:"colours"`
	ColoursMax float64 `json:"colours_max"`
	// Spectrum: the amplitudes of the lowest frequencies, up to SpectrumMax cycles
	// a side, replaced by those of a picture of the other class (Yang and Soatto
	// 2020, FDA).
	Spectrum    float64 `json:"spectrum"`
	SpectrumMax int     `json:"spectrum_max"`
	// Jitter: brightness, contrast, saturation and hue changed in random order,
	// the first three by factors of 1-x to 1+x, hue by -x to x of the circle.
	Jitter     float64 `json:"jitter"`
	Brightness float64 `json:"brightness"`
	Contrast   float64 `json:"contrast"`
	Saturation float64 `json:"saturation"`
	Hue        float64 `json:"hue"`
	// Rotate: turned by up to Angle degrees either way, corners black.
	Rotate float64 `json:"rotate"`
	Angle  float64 `json:"angle"`
	// Blur: Gaussian, with a standard deviation of up to BlurMax pixels.
	Blur    float64 `json:"blur"`
	BlurMax float64 `json:"blur_max"`
	// Noise: Gaussian, with a standard deviation of up to NoiseMax of 255 levels.
	Noise    float64 `json:"noise"`
	NoiseMax float64 `json:"noise_max"`
	// Scale: scaled down, to no less than ScaleMin, and up again.
	Scale    float64 `json:"scale"`
	ScaleMin float64 `json:"scale_min"`
	// JPEG, WebP: one of the two at most, of a quality between the bounds. Twice:
	// how often a compression is followed by another of either kind, on another
	// block grid.
	JPEG    float64 `json:"jpeg"`
	JPEGMin int     `json:"jpeg_min"`
	JPEGMax int     `json:"jpeg_max"`
	WebP    float64 `json:"webp"`
	WebPMin int     `json:"webp_min"`
	WebPMax int     `json:"webp_max"`
	Twice   float64 `json:"twice"`
	// Mask: a part of up to MaskMax of the picture made black, in squares of
	// MaskPatch pixels (Li et al. 2024, SAFE).
	Mask      float64 `json:"mask"`
	MaskMax   float64 `json:"mask_max"`
	MaskPatch int     `json:"mask_patch"`
}

// bounds are the strengths that all presets share: a change that a preset leaves
// out can be switched on by its probability alone.
var bounds = Augmentation{
	ShrinkMin: 0.5, ColoursMax: 1, SpectrumMax: 4,
	Brightness: Jitter, Contrast: Jitter, Saturation: Jitter, Hue: Jitter,
	Angle: MaxAngle, BlurMax: 1.5, NoiseMax: 8, ScaleMin: 0.4,
	JPEGMin: 40, JPEGMax: 95, WebPMin: 40, WebPMax: 95, MaskMax: 0.5, MaskPatch: 16,
}

// presets, by name.
var presets = map[string]func(a *Augmentation){
	// Random crops alone.
	"none": func(a *Augmentation) {},
	// What leaves the pixels' own statistics alone, and a mild recompression.
	"light": func(a *Augmentation) {
		a.FlipHorizontal, a.FlipVertical, a.Turn = 0.5, 0.1, 0.1
		a.Jitter, a.Brightness, a.Contrast, a.Saturation, a.Hue = 0.3, 0.1, 0.1, 0.1, 0.02
		a.JPEG, a.JPEGMin, a.WebP, a.WebPMin = 0.2, 70, 0.05, 70
	},
	// All that pictures go through on their way, the validator's path among it.
	"robust": func(a *Augmentation) {
		a.Challenge, a.Shrink = 0.2, 0.08
		a.FlipHorizontal, a.FlipVertical, a.Turn = 0.5, 0.2, 0.2
		a.Colours, a.Spectrum, a.Jitter = 0.1, 0.1, 0.4
		a.Rotate, a.Blur, a.Noise, a.Scale = 0.1, 0.15, 0.15, 0.2
		a.JPEG, a.WebP, a.Twice, a.Mask = 0.35, 0.12, 0.2, 0.15
	},
	// The validator's path, for every picture.
	"challenge": func(a *Augmentation) { a.Challenge = 1 },
}

// Presets lists the names of the presets in sorted order.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// Preset gives the augmentation of that name: "none", "light", "robust" or
// "challenge".
func Preset(name string) (Augmentation, error) {
	set, ok := presets[name]
	if !ok {
		return Augmentation{}, fmt.Errorf("unknown augmentation %q; try: %s", name, strings.Join(Presets(), ", "))
	}
	a := bounds
	a.Name = name
	set(&a)
	return a, nil
}

// ParseAugmentation reads a preset's name, and changes to it where it is
// followed by them: "robust,webp=0,jpeg_min=30". The names are those of the JSON
// form.
func ParseAugmentation(text string) (Augmentation, error) {
	parts := strings.Split(text, ",")
	a, err := Preset(strings.TrimSpace(parts[0]))
	if err != nil {
		return Augmentation{}, err
	}
	for _, part := range parts[1:] {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, err := strconv.ParseFloat(value, 64); !ok || err != nil || key == "name" {
			return Augmentation{}, fmt.Errorf("augmentation %q: %q is not of the form jpeg=0.5; try: a name, an equals sign and a number", text, part)
		}
		name, err := json.Marshal(key)
		if err != nil {
			return Augmentation{}, fmt.Errorf("augmentation %q: %w", text, err)
		}
		change := json.NewDecoder(bytes.NewReader([]byte("{" + string(name) + ":" + value + "}")))
		change.DisallowUnknownFields()
		if err := change.Decode(&a); err != nil {
			return Augmentation{}, fmt.Errorf("augmentation %q: cannot set %s to %s; try: one of %s", text, key, value, strings.Join(a.keys(), ", "))
		}
	}
	if err := a.Check(); err != nil {
		return Augmentation{}, err
	}
	return a, nil
}

// fields gives the JSON form of a, by key.
func (a Augmentation) fields() map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	data, err := json.Marshal(a)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil {
		return nil // only numbers that Check refuses
	}
	delete(fields, "name")
	return fields
}

func (a Augmentation) keys() []string { return slices.Sorted(maps.Keys(a.fields())) }

// String is the form that ParseAugmentation reads.
func (a Augmentation) String() string {
	base, err := Preset(a.Name)
	if err != nil {
		base, _ = Preset("none")
	}
	text := base.Name
	theirs, ours := base.fields(), a.fields()
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if !bytes.Equal(ours[key], theirs[key]) {
			text += "," + key + "=" + string(ours[key])
		}
	}
	return text
}

// Check says which field is out of range, if any.
func (a Augmentation) Check() error {
	for _, f := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"challenge", a.Challenge, 0, 1}, {"shrink", a.Shrink, 0, 1}, {"flip_horizontal", a.FlipHorizontal, 0, 1},
		{"flip_vertical", a.FlipVertical, 0, 1}, {"turn", a.Turn, 0, 1}, {"colours", a.Colours, 0, 1},
		{"spectrum", a.Spectrum, 0, 1}, {"jitter", a.Jitter, 0, 1}, {"rotate", a.Rotate, 0, 1}, {"blur", a.Blur, 0, 1},
		{"noise", a.Noise, 0, 1}, {"scale", a.Scale, 0, 1}, {"jpeg", a.JPEG, 0, 1}, {"webp", a.WebP, 0, 1},
		{"jpeg and webp together", a.JPEG + a.WebP, 0, 1.000001}, {"twice", a.Twice, 0, 1}, {"mask", a.Mask, 0, 1},
		{"shrink_min", a.ShrinkMin, 0, 1}, {"colours_max", a.ColoursMax, 0, 1}, {"spectrum_max", float64(a.SpectrumMax), 0, spectrumSide/2 - 1},
		{"brightness", a.Brightness, 0, 1}, {"contrast", a.Contrast, 0, 1}, {"saturation", a.Saturation, 0, 1}, {"hue", a.Hue, 0, 0.5},
		{"angle", a.Angle, 0, 180}, {"blur_max", a.BlurMax, 0, maxBlur}, {"noise_max", a.NoiseMax, 0, 100},
		{"scale_min", a.ScaleMin, 0, 1}, {"jpeg_min", float64(a.JPEGMin), 0, 100}, {"jpeg_max", float64(a.JPEGMax), float64(a.JPEGMin), 100},
		{"webp_min", float64(a.WebPMin), 0, 100}, {"webp_max", float64(a.WebPMax), float64(a.WebPMin), 100},
		{"mask_max", a.MaskMax, 0, 1}, {"mask_patch", float64(a.MaskPatch), 0, maxSize},
	} {
		if !(f.v >= f.lo && f.v <= f.hi) {
			return fmt.Errorf("augmentation: %s is %v; try: a number from %v to %v", f.name, f.v, f.lo, f.hi)
		}
	}
	return nil
}
