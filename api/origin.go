package api

import (
	"fmt"
	"net/url"
)

// CheckOrigin refuses what no browser sends as an origin, the wildcard above all:
// it would let any page use what its user may.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("%q is not a site's origin; try: https://example.com", origin)
	}
	return nil
}
