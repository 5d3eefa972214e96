package detector

import "github.com/maxmos001/bitmind-subnet/media/resample"

// Filter is a way to weigh the pixels around a point. All are antialiased: when
// a picture shrinks, the filter grows by the same factor.
type Filter = resample.Filter

// The filters, by PIL's names.
const (
	Box      = resample.Box
	Bilinear = resample.Bilinear
	Bicubic  = resample.Bicubic
	Lanczos  = resample.Lanczos
)
