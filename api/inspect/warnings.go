package inspect

import (
	"encoding/binary"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/api/schema"
	"github.com/maxmos001/bitmind-subnet/ml/detector"
)

// Codes of warnings, beside those of package decode.
const (
	WarnSmall        = "too_small"
	WarnRecompressed = "recompressed"
	WarnElongated    = "elongated"
	WarnArt          = "drawing_or_painting"
	WarnScreenshot   = "screenshot_like"
)

const (
	// smallSide is the short side in pixels below which the shipped detectors have
	// to enlarge a picture.
	smallSide = 224
	// lowQuality is the JPEG quality below which the traces of generators suffer;
	// the model cards measure 50 and 55.
	lowQuality = 60
	// maxAspect is from which ratio of its sides on a detector that looks at the
	// middle square does not see most of a picture.
	maxAspect = 2
)

// warnings are reasons to trust the score less that show before it is known.
func (l *look) warnings() []schema.Warning {
	var all []schema.Warning
	add := func(code, format string, args ...any) {
		all = append(all, schema.Warning{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	for _, w := range l.info.Warnings {
		add(w.Code, "%s", w.Text)
	}
	short, long := min(l.info.Width, l.info.Height), max(l.info.Width, l.info.Height)
	if short < smallSide {
		add(WarnSmall, "The picture is small (%d by %d pixels): much of what detectors look for is lost at this size.", l.info.Width, l.info.Height)
	}
	if long > maxAspect*short {
		add(WarnElongated, "The picture is %.1f times as long as it is wide: detectors judge mostly its middle.", float64(long)/float64(short))
	}
	if q := jpegQuality(l.data); q > 0 && q < lowQuality {
		add(WarnRecompressed, "The picture is strongly compressed (JPEG quality about %d), as after sharing by messengers: traces are blurred.", q)
	}
	return all
}

// kindOf is what an answer says of a picture's kind. Detectors tell photographs from
// the rest much better than they tell the rest apart, so most of it goes together.
func kindOf(kind string) string {
	switch kind {
	case detector.Render, detector.Graphic:
		return detector.Art
	}
	return kind
}

// outside warns of kinds of pictures on which detectors are wrong more often than
// on photographs, as their model cards measure.
func outside(kind string) []schema.Warning {
	switch kind {
	case detector.Art:
		return []schema.Warning{{Code: WarnArt, Text: "This looks like a drawing, painting or other picture that no camera took: detectors call such pictures AI-generated too often, even when people made them."}}
	case detector.Screenshot:
		return []schema.Warning{{Code: WarnScreenshot, Text: "This looks like a screenshot or document, for which the detectors were not made."}}
	}
	return nil
}

// lumaSum is the sum of the luminance table of ITU-T T.81, table K.1.
const lumaSum = 3688

// jpegQuality estimates the quality (1 to 100) at which a JPEG was stored, by the
// rule of libjpeg, whose table for a quality is table K.1 scaled and, below 20, cut
// at 255, where the estimate is too high by up to 8. 0 stands for what is no JPEG.
func jpegQuality(data []byte) int {
	if len(data) < 4 || data[0] != 0xff || data[1] != 0xd8 {
		return 0
	}
	for i := 2; i+4 <= len(data) && data[i] == 0xff; {
		marker, n := data[i+1], int(binary.BigEndian.Uint16(data[i+2:]))
		if marker == 0xff {
			i++ // a fill byte
			continue
		}
		if n < 2 || i+2+n > len(data) || marker == 0xda {
			return 0
		}
		if body := data[i+4 : i+2+n]; marker == 0xdb && len(body) >= 65 && body[0] == 0 {
			sum := 0
			for _, v := range body[1:65] {
				sum += int(v)
			}
			percent := 100 * float64(sum) / lumaSum
			if percent > 100 {
				return max(int(5000/percent+0.5), 1)
			}
			return min(int((200-percent)/2+0.5), 100)
		}
		i += 2 + n
	}
	return 0
}
