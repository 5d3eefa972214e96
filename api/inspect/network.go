package inspect

import (
	"context"

	"github.com/maxmos001/bitmind-subnet/subnet/proxy"
)

// NetworkName is what the subnet's miners together are called among the
// detectors.
const NetworkName = "network"

// Network asks the miners of a subnet; *proxy.Proxy and *proxy.Client do.
type Network interface {
	Ask(ctx context.Context, p proxy.Picture) (proxy.Answer, error)
}
