package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/maxmos001/bitmind-subnet/api/inspect"
	"github.com/maxmos001/bitmind-subnet/models"
)

type serveOptions struct {
	service   serviceFlags
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

It listens on this machine only, unless --listen names another address. Of a picture
only its hash and the verdict are kept, unless its sender asks for more (retain).

Runs until interrupted: requests under way are finished first.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  bitmind serve                                    # http://127.0.0.1:8080
  curl -F file=@photo.jpg http://127.0.0.1:8080/v1/detect
  bitmind serve --model best --model fast --listen 127.0.0.1:0`,
		Args: positional(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.service.addTo(cmd)
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
	cfg, err := o.service.config(listener, log)
	if err != nil {
		return err
	}
	origin, err := o.service.origin.reader(ctx, log)
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	if o.endpoints != "" {
		if err := writeJSON(o.endpoints, endpoints{HTTP: address}); err != nil {
			return fmt.Errorf("--endpoints: %w; try: a path that you can write to", err)
		}
		defer os.Remove(o.endpoints)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "page %s\ndocs %s/docs\n", address, address)
	load := func() ([]inspect.Model, error) { return openModels(o.models, o.model, log) }
	return runService(ctx, listener, cfg, load, origin, func(err error) error { return err }, log)
}
