package probe

import (
	"fmt"
	"image"
	"strconv"
	"strings"

	"github.com/maxmos001/bitmind-subnet/media/transform"
)

// View is one way in which every picture is seen: a tier of degradation, or a
// random augmentation. Copy tells several draws of the same kind apart.
type View struct {
	Name string `json:"name"` // "clean", "challenge", "robust,webp=0"
	Copy int    `json:"copy"` // from 0
}

// String is the name, with the copy's number where there may be several.
func (v View) String() string {
	if v.random() {
		return fmt.Sprintf("%s#%d", v.Name, v.Copy)
	}
	return v.Name
}

// random says whether copies of the view differ.
func (v View) random() bool {
	tier, err := transform.ParseTier(v.Name)
	return err != nil || tier == transform.TierChallenge
}

// DefaultViews are the views of a probe unless others are asked for.
const DefaultViews = "clean,challenge*4,robust*2"

// ParseViews reads a list such as "clean,challenge*4,robust*2": names of tiers
// (clean, challenge, half-jpeg55 ...) and of augmentations (robust, light; with
// changes to them as transform.ParseAugmentation reads: "robust,webp=0"), each
// with how many times it is drawn.
func ParseViews(text string) ([]View, error) {
	var names []string
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if strings.Contains(part, "=") && len(names) > 0 {
			names[len(names)-1] += "," + part
		} else {
			names = append(names, part)
		}
	}
	var views []View
	next := map[string]int{}
	for _, name := range names {
		times := 1
		if base, n, ok := strings.Cut(name, "*"); ok {
			var err error
			rest := ""
			if i := strings.IndexByte(n, ','); i >= 0 {
				n, rest = n[:i], n[i:]
			}
			if times, err = strconv.Atoi(n); err != nil || times < 1 || times > 64 {
				return nil, fmt.Errorf("view %q: want a number from 1 to 64 behind the star; try: %s", name, DefaultViews)
			}
			name = base + rest
		}
		v := View{Name: name}
		if _, err := transform.ParseTier(name); err != nil {
			if _, err := transform.ParseAugmentation(name); err != nil {
				return nil, fmt.Errorf("view %q is neither a tier (%v) nor an augmentation (%s); try: %s",
					name, transform.Tiers(), strings.Join(transform.Presets(), ", "), DefaultViews)
			}
		}
		if !v.random() && (times > 1 || next[name] > 0) {
			return nil, fmt.Errorf("view %q is always the same; try: once", name)
		}
		for range times {
			views = append(views, View{name, next[name]})
			next[name]++
		}
	}
	return views, nil
}

// viewer makes views; one for each goroutine.
type viewer struct {
	degrader  transform.Degrader
	augmenter transform.Augmenter
}

// apply gives the picture as the view shows it, an augmented one cropped to side
// pixels. The same seed and picture give the same result, wherever the picture
// stands. The result is good until the next call.
//
// The augmentations that mix in statistics of another picture are left out: a
// view depends on its own picture alone, so that it can be kept.
func (w *viewer) apply(v View, img *image.RGBA, side int, seed uint64, key string) (*image.RGBA, error) {
	// A stream of its own for every copy; not that of the evaluation, whose seeds
	// are small numbers.
	seed = seed*0x9e3779b97f4a7c15 + uint64(v.Copy)*0xd1b54a32d192ed03 + 0x70726f6265
	if tier, err := transform.ParseTier(v.Name); err == nil {
		return w.degrader.Apply(tier, img, seed, key)
	}
	a, err := transform.ParseAugmentation(v.Name)
	if err != nil {
		return nil, err
	}
	a.Colours, a.Spectrum = 0, 0
	rng := transform.ChallengeRand(seed, v.Name+" "+key)
	return w.augmenter.Apply(img, a.Draw(rng, img.Rect.Dx(), img.Rect.Dy(), side), nil)
}
