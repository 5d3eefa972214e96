package inspect

import (
	"context"
	"image"
	"time"
)

// NetworkName is what the subnet's miners together are called among the
// detectors.
const NetworkName = "network"

// Network asks the miners of a subnet.
type Network interface {
	// Ask has miners judge a picture. ErrNoAnswer says that none of them did.
	Ask(ctx context.Context, img image.Image) (NetworkAnswer, error)
}

// NetworkAnswer is what the miners said.
type NetworkAnswer struct {
	Prediction float64 // in [0,1], of the answers together
	Asked      int
	Answered   int
	Agreement  float64 // share of the answers on the prediction's side of one half
	UIDs       []uint16
	Took       time.Duration
}
