// An express server with a document by swagger-jsdoc; prints the port on which it listens.
'use strict';

const express = require('express');
const swaggerJsdoc = require('swagger-jsdoc');

const document = swaggerJsdoc({
  definition: { openapi: '3.0.0', info: { title: 'Bets', version: '7' }, servers: [{ url: '/v2' }] },
  apis: [__filename],
});

const app = express();
app.set('query parser', 'extended');
app.use(express.json(), express.urlencoded({ extended: true }), express.text());
app.get('/v2/openapi.json', (_, response) => response.json(document));

/**
 * @openapi
 * /bets:
 *   get:
 *     operationId: find
 *     description: Finds bets.
 *     parameters:
 *       - {name: filter, in: query, style: deepObject, explode: true, schema: {type: object, properties: {on: {type: string}, chips: {type: object, properties: {gt: {type: integer}, lt: {type: integer}}}}}}
 *       - {name: fields, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: string}}}
 *       - {name: words, in: query, style: spaceDelimited, explode: false, schema: {type: array, items: {type: string}}}
 *       - {name: "tags[]", in: query, schema: {type: array, items: {type: string}}}
 *       - {name: near, in: query, schema: {type: object, properties: {x: {type: number}, y: {type: number}}}}
 *     responses: {200: {description: What was read., content: {application/json: {schema: {type: object}}}}}
 */
app.get('/v2/bets', (request, response) => response.json(request.query));

/**
 * @openapi
 * /bets/{id}{wheel}/{spins}:
 *   get:
 *     operationId: place
 *     parameters:
 *       - {name: id, in: path, required: true, schema: {type: integer}}
 *       - {name: wheel, in: path, required: true, style: matrix, explode: true, schema: {type: array, items: {type: string}}}
 *       - {name: spins, in: path, required: true, style: label, schema: {type: array, items: {type: integer}}}
 *       - {name: X-Range, in: header, explode: true, schema: {type: object, properties: {from: {type: integer}, to: {type: integer}}}}
 *     responses: {default: {description: What was read., content: {application/json: {schema: {type: object}}}}}
 */
app.get('/v2/bets/:place/:spins', (request, response) => {
  response.json({ url: request.originalUrl, spins: request.params.spins, range: request.get('X-Range') ?? null });
});

/**
 * @openapi
 * /bets:
 *   post:
 *     operationId: bet
 *     requestBody: {content: {application/x-www-form-urlencoded: {schema: {type: object, required: [on], properties: {on: {type: string}, chips: {type: array, items: {type: integer}}, by: {type: object, properties: {name: {type: string}, table: {type: integer}}}}}, encoding: {by: {style: deepObject, explode: true}}}}}
 *     responses: {200: {description: What was read., content: {application/json: {schema: {type: object}}}}}
 *   patch:
 *     operationId: note
 *     requestBody: {required: true, content: {text/plain: {schema: {type: string}}}}
 *     responses: {200: {description: What was read., content: {application/json: {schema: {type: object}}}}, 400: {description: Refused.}}
 */
app.post('/v2/bets', (request, response) => response.json({ type: request.get('Content-Type'), body: request.body }));
app.patch('/v2/bets', (request, response) => {
  if (request.body === 'refuse') return response.status(400).json({ error: { message: 'no more bets', code: 'late' } });
  response.json({ type: request.get('Content-Type'), body: request.body });
});

const listener = app.listen(0, '127.0.0.1', () => console.log(listener.address().port));
