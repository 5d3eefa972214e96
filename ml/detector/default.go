package detector

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/models"
)

// Default opens the detector that is shipped inside the program.
func Default(opts Options) (Detector, error) {
	d, err := loadFS(models.FS, models.Default, opts)
	if err != nil {
		return nil, fmt.Errorf("loading the shipped detector: %w", err)
	}
	return d, nil
}
