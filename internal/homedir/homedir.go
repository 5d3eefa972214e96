// Package homedir reads paths as people write them: "~/pictures".
package homedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Expand replaces a leading "~" by the user's home folder, as a shell would. A
// path without one comes back as it is.
func Expand(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the home folder for %s: %w; try: a path without ~", path, err)
	}
	return filepath.Join(home, path[1:]), nil
}
