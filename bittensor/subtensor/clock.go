package subtensor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/maxmos001/bitmind-subnet/bittensor/substrate"
)

const (
	// maxBehind is how far the newest block may lie in the local clock's future.
	maxBehind = 5 * time.Second
	// maxAhead is how old the newest block may be: seven blocks of 12 s and a bit.
	maxAhead = 90 * time.Second
)

// ClockError means that the local clock and the chain's disagree. Signed messages of
// neurons carry the local time, so other neurons refuse those of a wrong clock.
type ClockError struct {
	// Skew is how far the local clock is ahead of the newest block's timestamp; it is
	// negative when the clock is behind.
	Skew time.Duration
	// BlockTime is the newest block's timestamp.
	BlockTime time.Time
}

// Error names the skew and what to try.
func (e *ClockError) Error() string {
	if e.Skew < 0 {
		return fmt.Sprintf("the local clock is %v behind the chain's newest block, of %s; try: set the clock (timedatectl set-ntp true)",
			-e.Skew.Round(time.Second), e.BlockTime.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the local clock is %v ahead of the chain's newest block, of %s, unless the chain stands still or the node is not in sync; try: set the clock (timedatectl set-ntp true), or another node",
		e.Skew.Round(time.Second), e.BlockTime.UTC().Format(time.RFC3339))
}

// ClockSkew returns how far the local clock is ahead of the newest block's timestamp.
// A healthy clock is less than a block's time ahead (12 s on the real network); a clock
// that is behind, or minutes ahead, makes other neurons refuse this one's messages.
func (c *Client) ClockSkew(ctx context.Context) (time.Duration, error) {
	now, err := c.chainTime(ctx)
	if err != nil {
		return 0, err
	}
	return c.opts.Now().Sub(now), nil
}

func (c *Client) chainTime(ctx context.Context) (time.Time, error) {
	var ms int64
	if err := c.chain.Query(ctx, nil, &ms, "Timestamp", "Now"); err != nil {
		return time.Time{}, fmt.Errorf("reading the chain's clock: %w", err)
	}
	return time.UnixMilli(ms), nil
}

// CheckClock compares the local clock with the newest block's timestamp. It returns a
// *ClockError when the clock is more than 5 s behind or 90 s ahead. A chain that has not
// made its first block has no time to compare with, and is no error.
func (c *Client) CheckClock(ctx context.Context) error {
	at, err := c.chainTime(ctx)
	if err != nil {
		return err
	}
	skew := c.opts.Now().Sub(at)
	if at.UnixMilli() == 0 || skew >= -maxBehind && skew <= maxAhead {
		return nil
	}
	return &ClockError{Skew: skew, BlockTime: at}
}

// clockShows are refusals that a wrong clock or a node out of date may be behind.
var clockShows = map[string]bool{"Stale": true, "Future": true, "BadProof": true, "AncientBirthBlock": true, "Invalid": true}

// nameClock adds to a failed submission what the clock has to do with it, if it has.
func (c *Client) nameClock(ctx context.Context, err error) error {
	var silent *substrate.NoAnswerError
	if !errors.Is(err, substrate.ErrExpired) && !clockShows[substrate.ErrorName(err)] && !errors.As(err, &silent) {
		return err
	}
	// The submission's own time may be up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var wrong *ClockError
	if errors.As(c.CheckClock(ctx), &wrong) {
		return fmt.Errorf("%w; %w", err, wrong)
	}
	return err
}

// nameDialClock explains a certificate that is out of date by the local clock.
func nameDialClock(err error, now time.Time) error {
	var cert x509.CertificateInvalidError
	if errors.As(err, &cert) && cert.Reason == x509.Expired {
		return fmt.Errorf("%w; the local clock says %s; try: check the clock", err, now.UTC().Format(time.RFC3339))
	}
	return err
}
