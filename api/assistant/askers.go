package assistant

import (
	"context"
	"errors"
	"io"

	"github.com/maxmos001/bitmind-subnet/api/client"
	"github.com/maxmos001/bitmind-subnet/api/fetch"
	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// Remote asks a running server.
func Remote(c *client.Client) Asker { return remote{c} }

type remote struct{ client *client.Client }

// Ask implements Asker.
func (r remote) Ask(ctx context.Context, picture []byte, address string, opts schema.Options) (*schema.Detection, []byte, error) {
	var d *schema.Detection
	var err error
	if picture == nil {
		d, err = r.client.DetectURL(ctx, address, opts)
	} else {
		d, err = r.client.Detect(ctx, picture, opts)
	}
	if err != nil || d.Heatmap == nil {
		return d, nil, err
	}
	heatmap, err := r.client.Heatmap(ctx, d)
	return d, heatmap, err
}

// Local asks the detectors of this program; the fetcher gets pictures by their
// addresses.
func Local(inspector *inspect.Inspector, fetcher *fetch.Fetcher) Asker {
	return local{inspector, fetcher}
}

type local struct {
	inspector *inspect.Inspector
	fetcher   *fetch.Fetcher
}

// Ask implements Asker.
func (l local) Ask(ctx context.Context, picture []byte, address string, opts schema.Options) (*schema.Detection, []byte, error) {
	if picture == nil {
		reply, err := l.fetcher.Get(ctx, address)
		if err != nil {
			return nil, nil, err
		}
		picture, err = io.ReadAll(reply)
		if err = errors.Join(err, reply.Close()); err != nil {
			return nil, nil, err
		}
	}
	result, err := l.inspector.Inspect(ctx, picture, opts)
	return &result.Detection, result.HeatmapPNG, err
}
