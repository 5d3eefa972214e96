package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/models"
)

type serveOptions struct {
	service   serviceFlags
	store     storeFlags
	models    []string
	model     modelFlags
	endpoints string
}

func newServeCmd() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and the page: is this picture AI-generated?",
		Long: `serve answers programs (API v1, described at /docs and /openapi.json) and people (a
page at /) about pictures, with a detector on this machine.

It listens on this machine only, where no key is needed. On another address it asks
for the keys that bitmind keys makes, and without any it does not start, unless
--insecure says so. Of a picture only its hash and the verdict are kept, unless its
sender asks for more (retain).

Runs until interrupted: requests under way are finished first.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind serve                                    # http://127.0.0.1:8080
  curl -F file=@photo.jpg http://127.0.0.1:8080/v1/detect
  bitmind serve --model best --model fast --listen 127.0.0.1:0
  bitmind keys create --name shop && bitmind serve --listen 0.0.0.0:8080
  bitmind serve --cors.origin https://example.com --webhook.allow hooks.internal:8443`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.service.addTo(cmd)
	o.store.addTo(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.models, "model", nil, "detector: a folder, a file, or one inside the program: "+defaultModels+" (repeatable, the first one decides; default "+models.Default+")")
	f.StringVar(&o.endpoints, "endpoints", "", "write the address to this file, as JSON, once the server listens")
	o.model.addRuntimeTo(cmd)
	return cmd
}

func (o *serveOptions) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	listener, err := listen("--listen", o.service.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	s, err := o.service.open(ctx, listener, o.store.url, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	s.load = func() ([]inspect.Model, error) { return openModels(o.models, o.model, log) }
	s.failed = func(err error) error { return err }
	address := "http://" + listener.Addr().String()
	if o.endpoints != "" {
		if err := writeJSON(o.endpoints, endpoints{HTTP: address}); err != nil {
			return fmt.Errorf("--endpoints: %w; try: a path that you can write to", err)
		}
		defer os.Remove(o.endpoints)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "page %s\ndocs %s/docs\n", address, address)
	return s.run(ctx, listener)
}
