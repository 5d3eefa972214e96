// Package protocol holds what miners and validators of this subnet say to each
// other: one synapse, sent as JSON by the packages of bittensor/synapse.
//
//	ask := protocol.NewImageSynapse(jpeg)   // validator
//	jpeg, err := got.JPEG()                 // miner
//	got.Prediction = 0.93                   // miner: AI-generated, quite sure
package protocol

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// NoAnswer is the prediction of a synapse that no miner has filled in.
const NoAnswer = -1.0

// MaxImageBytes bounds the JPEG that a synapse may carry, before base64. A
// challenge is 256 pixels square, some 10 to 60 kB; images that people ask about
// are larger.
const MaxImageBytes = 16 << 20

// ErrNoImage is returned for a synapse without an image.
var ErrNoImage = errors.New("the synapse holds no image")

// ImageSynapse asks for, and carries, one judgement of one image. Its fields and
// their JSON names are the seed network's, so that Python miners and validators
// understand it.
type ImageSynapse struct {
	// Image is a JPEG in standard base64.
	Image string `json:"image"`
	// Prediction is in [0,1]: above 0.5 the image is judged AI-generated. NoAnswer
	// until a miner has answered.
	Prediction float64 `json:"prediction"`
}

// SynapseName is the name in the request's path.
func (ImageSynapse) SynapseName() string { return "ImageSynapse" }

// SetDefaults makes a field that a message leaves out mean what it means in the
// seed network: a response without a prediction is no answer, not "real".
func (s *ImageSynapse) SetDefaults() { s.Prediction = NoAnswer }

// NewImageSynapse wraps a JPEG for sending.
func NewImageSynapse(jpeg []byte) ImageSynapse {
	return ImageSynapse{Image: base64.StdEncoding.EncodeToString(jpeg), Prediction: NoAnswer}
}

// JPEG returns the image's bytes. It checks their size and the base64, not that
// they are a JPEG.
func (s ImageSynapse) JPEG() ([]byte, error) {
	if s.Image == "" {
		return nil, ErrNoImage
	}
	if n := base64.StdEncoding.DecodedLen(len(s.Image)); n > MaxImageBytes+2 {
		return nil, fmt.Errorf("the synapse's image is larger than %d bytes", MaxImageBytes)
	}
	data, err := base64.StdEncoding.DecodeString(s.Image)
	if err != nil {
		return nil, fmt.Errorf("decoding the synapse's image: %w", err)
	}
	return data, nil
}
