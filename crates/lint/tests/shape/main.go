// Command shape prints the shape of Go files as go/parser reads them, in the words of gorphan's own dump.
//
//	shape FILE          the shape of one file
//	shape -hash         reads paths from standard input; prints for each "HASH PATH", or "error PATH"
//	shape -time RUNS    reads paths from standard input; prints the median of the processor's seconds that parsing them all takes
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"hash/fnv"
	"os"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-hash" {
		hashAll()
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "-time" {
		timeAll(os.Args[2])
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: shape FILE | shape -hash | shape -time RUNS")
		os.Exit(2)
	}
	text, err := shape(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(text)
}

func paths() []string {
	var paths []string
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		paths = append(paths, lines.Text())
	}
	return paths
}

func hashAll() {
	paths := paths()
	results := make([]string, len(paths))
	next := make(chan int)
	done := make(chan bool)
	workers := runtime.GOMAXPROCS(0)
	for w := 0; w < workers; w++ {
		go func() {
			for i := range next {
				text, err := shape(paths[i])
				if err != nil {
					results[i] = "error"
					continue
				}
				h := fnv.New64a()
				h.Write(text)
				results[i] = fmt.Sprintf("%016x", h.Sum64())
			}
			done <- true
		}()
	}
	for i := range paths {
		next <- i
	}
	close(next)
	for w := 0; w < workers; w++ {
		<-done
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i, path := range paths {
		fmt.Fprintln(out, results[i], path)
	}
}

func shape(path string) ([]byte, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	p := &printer{base: set.File(file.Package).Base()}
	p.line(0, "package", file.Name, "")
	for _, decl := range file.Decls {
		p.decl(0, decl)
	}
	return p.out.Bytes(), nil
}

type printer struct {
	base int
	out  bytes.Buffer
}

func (p *printer) line(depth int, kind string, node ast.Node, detail string) {
	p.span(depth, kind, node.Pos(), node.End(), detail)
}

func (p *printer) span(depth int, kind string, pos, end token.Pos, detail string) {
	buf := p.out.AvailableBuffer()
	buf = strconv.AppendInt(buf, int64(depth), 10)
	buf = append(buf, ' ')
	buf = append(buf, kind...)
	buf = append(buf, ' ')
	buf = strconv.AppendInt(buf, int64(int(pos)-p.base), 10)
	buf = append(buf, ' ')
	buf = strconv.AppendInt(buf, int64(int(end)-p.base), 10)
	if detail != "" {
		buf = append(buf, ' ')
		buf = append(buf, detail...)
	}
	buf = append(buf, '\n')
	p.out.Write(buf)
}

func flags(flags ...bool) string {
	out := make([]byte, len(flags))
	for i, flag := range flags {
		out[i] = '-'
		if flag {
			out[i] = '+'
		}
	}
	return string(out)
}

func counts(counts ...int) string {
	words := make([]string, len(counts))
	for i, count := range counts {
		words[i] = strconv.Itoa(count)
	}
	return strings.Join(words, " ")
}

func (p *printer) decl(depth int, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		detail := ""
		if d.Recv != nil {
			detail = "method"
		}
		// One level deeper, as the declaration around a function has no line of its own.
		p.line(depth+1, "function", d, detail)
		p.fields(depth+2, d.Recv)
		p.line(depth+2, "name", d.Name, "")
		p.signature(depth+2, d.Type)
		if d.Body != nil {
			p.block(depth+2, d.Body)
		}
	case *ast.GenDecl:
		p.line(depth, d.Tok.String(), d, "")
		for _, spec := range d.Specs {
			p.spec(depth+1, spec)
		}
	default:
		p.line(depth, "bad-decl", decl, "")
	}
}

func (p *printer) spec(depth int, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ImportSpec:
		p.line(depth, "import-spec", s, "")
		p.ident(depth+1, s.Name)
		p.expr(depth+1, s.Path)
	case *ast.ValueSpec:
		p.line(depth, "value-spec", s, counts(len(s.Names), len(s.Values)))
		for _, name := range s.Names {
			p.ident(depth+1, name)
		}
		p.expr(depth+1, s.Type)
		p.exprs(depth+1, s.Values)
	case *ast.TypeSpec:
		number, kind := 0, "new"
		if s.TypeParams != nil {
			number = len(s.TypeParams.List)
		}
		if s.Assign.IsValid() {
			kind = "alias"
		}
		p.line(depth, "type-spec", s, counts(number)+" "+kind)
		p.ident(depth+1, s.Name)
		p.fields(depth+1, s.TypeParams)
		p.expr(depth+1, s.Type)
	}
}

func (p *printer) ident(depth int, ident *ast.Ident) {
	if ident != nil {
		p.line(depth, "name", ident, "")
	}
}

func (p *printer) fields(depth int, list *ast.FieldList) {
	if list == nil {
		return
	}
	for _, field := range list.List {
		p.line(depth, "field", field, counts(len(field.Names)))
		for _, name := range field.Names {
			p.ident(depth+1, name)
		}
		p.expr(depth+1, field.Type)
		if field.Tag != nil {
			p.expr(depth+1, field.Tag)
		}
	}
}

func (p *printer) signature(depth int, s *ast.FuncType) {
	number := func(list *ast.FieldList) int {
		if list == nil {
			return 0
		}
		return len(list.List)
	}
	p.line(depth, "signature", s, counts(number(s.TypeParams), number(s.Params), number(s.Results)))
	p.fields(depth+1, s.TypeParams)
	p.fields(depth+1, s.Params)
	p.fields(depth+1, s.Results)
}

func (p *printer) block(depth int, block *ast.BlockStmt) {
	p.line(depth, "block", block, "")
	p.stmts(depth+1, block.List)
}

func (p *printer) stmts(depth int, stmts []ast.Stmt) {
	for _, stmt := range stmts {
		p.stmt(depth, stmt)
	}
}

func (p *printer) stmt(depth int, stmt ast.Stmt) {
	if stmt == nil {
		return
	}
	switch s := stmt.(type) {
	case *ast.EmptyStmt:
		p.line(depth, "empty", s, "")
	case *ast.DeclStmt:
		p.line(depth, "decl-stmt", s, "")
		p.decl(depth+1, s.Decl)
	case *ast.LabeledStmt:
		p.line(depth, "labeled", s, "")
		p.ident(depth+1, s.Label)
		p.stmt(depth+1, s.Stmt)
	case *ast.ExprStmt:
		p.line(depth, "expr-stmt", s, "")
		p.expr(depth+1, s.X)
	case *ast.SendStmt:
		p.line(depth, "send", s, "")
		p.expr(depth+1, s.Chan)
		p.expr(depth+1, s.Value)
	case *ast.IncDecStmt:
		kind := "increment"
		if s.Tok == token.DEC {
			kind = "decrement"
		}
		p.line(depth, kind, s, "")
		p.expr(depth+1, s.X)
	case *ast.AssignStmt:
		p.line(depth, "assign", s, s.Tok.String()+" "+counts(len(s.Lhs), len(s.Rhs)))
		p.exprs(depth+1, s.Lhs)
		p.exprs(depth+1, s.Rhs)
	case *ast.GoStmt:
		p.line(depth, "go", s, "")
		p.expr(depth+1, s.Call)
	case *ast.DeferStmt:
		p.line(depth, "defer", s, "")
		p.expr(depth+1, s.Call)
	case *ast.ReturnStmt:
		p.line(depth, "return", s, counts(len(s.Results)))
		p.exprs(depth+1, s.Results)
	case *ast.BranchStmt:
		p.line(depth, "branch", s, s.Tok.String())
		p.ident(depth+1, s.Label)
	case *ast.BlockStmt:
		p.line(depth, "block-stmt", s, "")
		p.block(depth+1, s)
	case *ast.IfStmt:
		p.line(depth, "if", s, "")
		p.stmt(depth+1, s.Init)
		p.expr(depth+1, s.Cond)
		p.block(depth+1, s.Body)
		p.stmt(depth+1, s.Else)
	case *ast.SwitchStmt:
		p.line(depth, "switch", s, flags(s.Init != nil, s.Tag != nil))
		p.stmt(depth+1, s.Init)
		p.expr(depth+1, s.Tag)
		p.clauses(depth+1, s.Body)
	case *ast.TypeSwitchStmt:
		var binding, guard ast.Expr
		switch a := s.Assign.(type) {
		case *ast.ExprStmt:
			guard = a.X
		case *ast.AssignStmt:
			binding, guard = a.Lhs[0], a.Rhs[0]
		}
		p.line(depth, "type-switch", s, flags(s.Init != nil, binding != nil))
		p.stmt(depth+1, s.Init)
		p.expr(depth+1, binding)
		p.expr(depth+1, guard)
		p.clauses(depth+1, s.Body)
	case *ast.SelectStmt:
		p.line(depth, "select", s, "")
		p.clauses(depth+1, s.Body)
	case *ast.ForStmt:
		p.line(depth, "for", s, flags(s.Init != nil, s.Cond != nil, s.Post != nil))
		p.stmt(depth+1, s.Init)
		p.expr(depth+1, s.Cond)
		p.stmt(depth+1, s.Post)
		p.block(depth+1, s.Body)
	case *ast.RangeStmt:
		p.line(depth, "range", s, flags(s.Key != nil, s.Value != nil, s.Tok == token.DEFINE))
		p.expr(depth+1, s.Key)
		p.expr(depth+1, s.Value)
		p.expr(depth+1, s.X)
		p.block(depth+1, s.Body)
	default:
		p.line(depth, "bad-stmt", s, "")
	}
}

func (p *printer) clauses(depth int, body *ast.BlockStmt) {
	for _, stmt := range body.List {
		switch c := stmt.(type) {
		case *ast.CaseClause:
			if c.List == nil {
				p.line(depth, "default", c, "")
			} else {
				p.line(depth, "case", c, counts(len(c.List)))
			}
			p.exprs(depth+1, c.List)
			p.stmts(depth+1, c.Body)
		case *ast.CommClause:
			if c.Comm == nil {
				p.line(depth, "default", c, "")
			} else {
				p.line(depth, "comm", c, "")
			}
			p.stmt(depth+1, c.Comm)
			p.stmts(depth+1, c.Body)
		}
	}
}

func (p *printer) exprs(depth int, exprs []ast.Expr) {
	for _, expr := range exprs {
		p.expr(depth, expr)
	}
}

func (p *printer) expr(depth int, expr ast.Expr) {
	if expr == nil {
		return
	}
	switch e := expr.(type) {
	case *ast.Ident:
		p.line(depth, "name", e, "")
	case *ast.BasicLit:
		kinds := map[token.Token]string{token.INT: "int", token.FLOAT: "float", token.IMAG: "imaginary", token.CHAR: "rune", token.STRING: "string"}
		p.line(depth, kinds[e.Kind], e, "")
	case *ast.CompositeLit:
		p.line(depth, "composite", e, flags(e.Type != nil))
		p.expr(depth+1, e.Type)
		p.exprs(depth+1, e.Elts)
	case *ast.KeyValueExpr:
		p.line(depth, "key-value", e, "")
		p.expr(depth+1, e.Key)
		p.expr(depth+1, e.Value)
	case *ast.FuncLit:
		p.line(depth, "closure", e, "")
		p.signature(depth+1, e.Type)
		p.block(depth+1, e.Body)
	case *ast.ParenExpr:
		p.line(depth, "paren", e, "")
		p.expr(depth+1, e.X)
	case *ast.SelectorExpr:
		p.line(depth, "selector", e, "")
		p.expr(depth+1, e.X)
		p.ident(depth+1, e.Sel)
	case *ast.IndexExpr:
		p.line(depth, "index", e, "")
		p.expr(depth+1, e.X)
		p.expr(depth+1, e.Index)
	case *ast.IndexListExpr:
		p.line(depth, "index", e, "")
		p.expr(depth+1, e.X)
		p.exprs(depth+1, e.Indices)
	case *ast.SliceExpr:
		p.line(depth, "slice", e, flags(e.Low != nil, e.High != nil, e.Max != nil))
		p.expr(depth+1, e.X)
		p.expr(depth+1, e.Low)
		p.expr(depth+1, e.High)
		p.expr(depth+1, e.Max)
	case *ast.TypeAssertExpr:
		p.line(depth, "assert", e, flags(e.Type != nil))
		p.expr(depth+1, e.X)
		p.expr(depth+1, e.Type)
	case *ast.CallExpr:
		p.line(depth, "call", e, flags(e.Ellipsis.IsValid()))
		p.expr(depth+1, e.Fun)
		p.exprs(depth+1, e.Args)
	case *ast.StarExpr:
		p.line(depth, "star", e, "")
		p.expr(depth+1, e.X)
	case *ast.UnaryExpr:
		p.line(depth, "unary", e, e.Op.String())
		p.expr(depth+1, e.X)
	case *ast.BinaryExpr:
		p.line(depth, "binary", e, e.Op.String()+" "+counts(int(e.OpPos)-p.base))
		p.expr(depth+1, e.X)
		p.expr(depth+1, e.Y)
	case *ast.Ellipsis:
		p.line(depth, "ellipsis", e, "")
		p.expr(depth+1, e.Elt)
	case *ast.ArrayType:
		p.line(depth, "array", e, flags(e.Len != nil))
		p.expr(depth+1, e.Len)
		p.expr(depth+1, e.Elt)
	case *ast.MapType:
		p.line(depth, "map", e, "")
		p.expr(depth+1, e.Key)
		p.expr(depth+1, e.Value)
	case *ast.ChanType:
		kinds := map[ast.ChanDir]string{ast.SEND: "chan-send", ast.RECV: "chan-receive", ast.SEND | ast.RECV: "chan"}
		p.line(depth, kinds[e.Dir], e, "")
		p.expr(depth+1, e.Value)
	case *ast.FuncType:
		p.line(depth, "func-type", e, "")
		p.signature(depth+1, e)
	case *ast.StructType:
		p.line(depth, "struct", e, "")
		p.fields(depth+1, e.Fields)
	case *ast.InterfaceType:
		p.line(depth, "interface", e, "")
		p.fields(depth+1, e.Methods)
	default:
		p.line(depth, "bad", e, "")
	}
}
