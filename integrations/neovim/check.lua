-- A real client of `gorphan lsp`: Neovim 0.7 or later opens a file that leaks, shows what is found, makes the fix that it is offered, and
-- shows nothing any more. `cargo xtask editor` runs it: GORPHAN is the program, GORPHAN_FILE the file.

local LIMIT = 20000 -- milliseconds

local function fail(what)
  io.stderr:write(what .. '\n')
  vim.cmd('cquit 1')
end

local function await(what, is_so)
  if not vim.wait(LIMIT, is_so, 20) then
    fail('timed out: ' .. what)
  end
end

local file = assert(vim.env.GORPHAN_FILE, 'GORPHAN_FILE says which file')
vim.cmd('edit ' .. vim.fn.fnameescape(file))
local start = vim.lsp.start_client
local id = start({ name = 'gorphan', cmd = { vim.env.GORPHAN or 'gorphan', 'lsp', '--no-cache' }, root_dir = vim.fn.fnamemodify(file, ':h') })
vim.lsp.buf_attach_client(0, id)

await('a diagnostic', function() return #vim.diagnostic.get(0) == 1 end)
local told = vim.diagnostic.get(0)[1]
print(('%d:%d %s %s'):format(told.lnum + 1, told.col + 1, told.source, vim.split(told.message, '\n')[1]))

local at = { line = told.lnum, character = told.col }
local parameters = {
  textDocument = vim.lsp.util.make_text_document_params(0),
  range = { start = at, ['end'] = at },
  context = { diagnostics = {} },
}
local answers = vim.lsp.buf_request_sync(0, 'textDocument/codeAction', parameters, LIMIT)
local answer = answers and answers[id] or fail('no answer to codeAction')
local action = answer.result and answer.result[1] or fail('no fix is offered')
print(action.title)
vim.lsp.util.apply_workspace_edit(action.edit, vim.lsp.get_client_by_id(id).offset_encoding)

await('the fix to end it', function() return #vim.diagnostic.get(0) == 0 end)
for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
  print(('%2d %s'):format(number, line))
end
vim.cmd('qall!')
