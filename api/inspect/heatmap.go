package inspect

import (
	"context"
	"fmt"

	"github.com/maxmos001/bitmind-subnet/api/schema"
)

// heatmap draws where in the picture the detector that decides sees what it says.
func (l *look) heatmap(context.Context) (*schema.Heatmap, []byte, error) {
	return nil, nil, invalid("body.heatmap", fmt.Sprintf("%s cannot say where in a picture; try: without it", l.in.listing.Items[0].Name))
}
