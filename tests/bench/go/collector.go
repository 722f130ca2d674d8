package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A collector keeps lines in memory and writes them to files.
type collector struct {
	dir  string
	read reader

	mutex   sync.Mutex
	lines   []byte
	since   time.Time
	files   int
	writing sync.WaitGroup
	encoder sync.Mutex
	zstd    *zstd.Encoder
}

func newCollector(dir string, read reader) *collector {
	// The default level and the default of one encoder for each CPU.
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		log.Fatal(err)
	}
	return &collector{dir: dir, read: read, zstd: encoder}
}

// keep takes the lines of one request.
func (c *collector) keep(lines []byte, now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.lines) == 0 {
		c.since = now
	}
	c.lines = append(c.lines, lines...)
	if len(c.lines) >= flushBytes {
		c.flush()
	}
}

func (c *collector) flushIfDue(now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.lines) > 0 && now.Sub(c.since) >= flushInterval {
		c.flush()
	}
}

// flush begins new lines and writes the old ones, while requests go on.
func (c *collector) flush() {
	lines := c.lines
	c.lines = make([]byte, 0, flushBytes+flushBytes/8)
	c.files++
	name := fmt.Sprintf("reports-%s-%06d.jsonl.zst", c.since.UTC().Format("20060102T150405.000Z"), c.files)
	c.writing.Add(1)
	go func() {
		defer c.writing.Done()
		if err := c.write(name, lines); err != nil {
			log.Print(err)
		}
	}()
}

func (c *collector) write(name string, lines []byte) error {
	c.encoder.Lock()
	defer c.encoder.Unlock()
	path := filepath.Join(c.dir, name)
	file, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	c.zstd.Reset(file)
	if _, err := c.zstd.Write(lines); err != nil {
		return err
	}
	if err := c.zstd.Close(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func (c *collector) drain() {
	c.mutex.Lock()
	if len(c.lines) > 0 {
		c.flush()
	}
	c.mutex.Unlock()
	c.writing.Wait()
}
