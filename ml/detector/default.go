package detector

import (
	"fmt"

	"github.com/maxmos001/bitmind-subnet/models"
)

// Default opens the detector that is shipped inside the program.
func Default(opts Options) (Detector, error) {
	return Shipped(models.Default, opts)
}

// Shipped opens one of the detectors inside the program by its name, one of
// models.Names.
func Shipped(name string, opts Options) (Detector, error) {
	d, err := loadFS(models.FS, name, opts)
	if err != nil {
		return nil, fmt.Errorf("loading the shipped detector %s: %w", name, err)
	}
	return d, nil
}
