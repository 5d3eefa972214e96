package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPostgres says that PostgreSQL is not installed.
var ErrNoPostgres = errors.New("PostgreSQL is not installed; try: scripts/postgres.sh")

// Postgres is a PostgreSQL server of its own, on a socket in a temporary folder.
type Postgres struct {
	dir    string
	server *exec.Cmd
	log    bytes.Buffer
}

// StartPostgres starts one from Debian's package; Stop it. It listens on no port.
func StartPostgres() (p *Postgres, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, ErrNoPostgres
	}
	bin := filepath.Dir(slices.Max(found))
	p = &Postgres{}
	if p.dir, err = os.MkdirTemp("", "bitmind-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
	}()
	owner, err := unprivileged(p.dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(p.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "bitmind", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = owner, p.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	p.server = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", p.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	p.server.SysProcAttr, p.server.Dir = owner, p.dir
	p.server.Stdout, p.server.Stderr = &p.log, &p.log
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, p.url("postgres"))
		if err == nil {
			return p, conn.Close(ctx)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("PostgreSQL does not answer: %w: %s", err, &p.log), p.server.Process.Kill(), p.server.Wait())
		}
	}
}

// unprivileged is another user where this one is root, which PostgreSQL refuses to
// run as, and gives it the folder.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	// A server must not outlive a test that is killed.
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

func (p *Postgres) url(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {p.dir}, "user": {"bitmind"}}.Encode()
}

// Database makes an empty database and returns its URL.
func (p *Postgres) Database(ctx context.Context, name string) (address string, err error) {
	conn, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", err
	}
	return p.url(name), nil
}

// Stop ends the server and removes its folder.
func (p *Postgres) Stop() error {
	if err := p.server.Process.Signal(syscall.SIGINT); err != nil { // a fast shutdown
		return err
	}
	err := p.server.Wait()
	if removed := os.RemoveAll(p.dir); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
