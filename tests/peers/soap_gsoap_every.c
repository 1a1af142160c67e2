/* A client that gSOAP has made of the WSDL of a service with every type: values there and back, and a fault. */

#include <stdio.h>
#include <string.h>

#include "soapH.h"
#include "EveryTypeSoap.nsmap"

/* Ends the program if what should hold does not. */
static void check(struct soap *soap, int holds, int line)
{
    if (!holds) {
        fprintf(stderr, "line %d\n", line);
        soap_print_fault(soap, stderr);
        exit(1);
    }
}
#define CHECK(holds) check(soap, (holds), __LINE__)

static const char *url;

static void texts(struct soap *soap)
{
    struct _ns1__texts texts = {"<&>\"' \xc5\xbc", xsd__boolean__true_, ns1__Colour__BLACK, "\xc3\xa9"};
    struct _ns1__textsResponse answer = {0};

    CHECK(soap_call___ns1__texts(soap, url, NULL, &texts, &answer) == SOAP_OK);
    CHECK(!strcmp(answer.result->text, texts.text) && !strcmp(answer.result->letter, texts.letter));
    CHECK(answer.result->flag == xsd__boolean__true_ && answer.result->colour == ns1__Colour__BLACK);
}

static void optionals(struct soap *soap)
{
    struct ns1__Point point = {1.0, 2.0, "p"};
    int may = 2;
    struct _ns1__optional optional = {1, NULL, NULL, NULL, NULL};
    struct _ns1__optionalResponse answer = {0};

    CHECK(soap_call___ns1__optional(soap, url, NULL, &optional, &answer) == SOAP_OK);
    CHECK(answer.result->must == 1 && !answer.result->may && !answer.result->point);
    CHECK(*answer.result->otherwise == 7 && *answer.result->colour == ns1__Colour__RED);

    optional.may = &may;
    optional.point = &point;
    CHECK(soap_call___ns1__optional(soap, url, NULL, &optional, &answer) == SOAP_OK);
    CHECK(*answer.result->may == 2 && answer.result->point->y == 2.0 && !strcmp(answer.result->point->label, "p"));
}

static void moments(struct soap *soap)
{
    struct _ns1__moment moment = {0};
    struct _ns1__momentResponse answer = {0};

    moment.when = 1772280059;
    moment.data.__ptr = (unsigned char *)"\0a";
    moment.data.__size = 2;
    CHECK(soap_call___ns1__moment(soap, url, NULL, &moment, &answer) == SOAP_OK);
    CHECK(answer.result->when == moment.when);
    CHECK(answer.result->data.__size == 2 && answer.result->data.__ptr[1] == 'a');
}

static void lists(struct soap *soap)
{
    int numbers[] = {1, 2, 3};
    double row[] = {1.5, 2.0};
    char *notes[] = {"a", "b"}; /* gSOAP leaves NULL out of a list. */
    struct _ns1__lists_table table[] = {{2, row}, {0, NULL}};
    struct ns1__Point points[] = {{1.0, 2.0, NULL}, {3.0, 4.0, "q"}};
    struct _ns1__lists lists = {3, numbers, 2, table, 2, points, 2, notes};
    struct _ns1__listsResponse answer = {0};

    CHECK(soap_call___ns1__lists(soap, url, NULL, &lists, &answer) == SOAP_OK);
    CHECK(answer.result->__sizenumbers == 3 && answer.result->numbers[2] == 3);
    CHECK(answer.result->__sizetable == 2 && answer.result->table[0].item[1] == 2.0);
    CHECK(answer.result->table[1].__sizeitem == 0);
    CHECK(answer.result->__sizepoints == 2 && !strcmp(answer.result->points[1].label, "q"));
    CHECK(answer.result->__sizenotes == 2 && !strcmp(answer.result->notes[1], "b"));
}

static void maps(struct soap *soap)
{
    struct _ns1__maps_numbers_entry entries[] = {{"a b", 5}, {"c", 6}};
    struct _ns1__maps maps = {{2, entries}, {0, NULL}};
    struct _ns1__mapsResponse answer = {0};

    CHECK(soap_call___ns1__maps(soap, url, NULL, &maps, &answer) == SOAP_OK);
    CHECK(answer.result->sum == 11 && answer.result->numbers.__sizeentry == 2);
    CHECK(!strcmp(answer.result->numbers.entry[0].key, "a b"));
}

static void folders(struct soap *soap)
{
    struct ns1__Place place = {"r", 1};
    struct ns1__Folder inner = {"inner", &place, 0, NULL};
    struct ns1__Folder outer = {"outer", &place, 1, &inner};
    struct _ns1__folder folder = {&outer};
    struct _ns1__folderResponse answer = {0};

    CHECK(soap_call___ns1__folder(soap, url, NULL, &folder, &answer) == SOAP_OK);
    CHECK(answer.result->__sizefolders == 1 && !strcmp(answer.result->folders[0].name, "inner"));
}

static void free_forms(struct soap *soap)
{
    double zero = 0.0;
    struct ns1__Value value = {0};
    struct _ns1__free call = {&value};
    struct _ns1__freeResponse answer = {0};

    value.double_ = &zero;
    CHECK(soap_call___ns1__free(soap, url, NULL, &call, &answer) == SOAP_OK);
    CHECK(answer.result->double_ && *answer.result->double_ == 0.0 && !answer.result->string);
}

static void faults(struct soap *soap)
{
    struct _ns1__limited limited = {11};
    struct _ns1__limitedResponse answer = {0};
    struct SOAP_ENV__Detail *detail;

    CHECK(soap_call___ns1__limited(soap, url, NULL, &limited, &answer) != SOAP_OK);
    CHECK(strstr(*soap_faultcode(soap), soap->version == 2 ? ":Receiver" : ":Server") != NULL);
    CHECK(!strcmp(*soap_faultstring(soap), "11 is more than 10"));
    detail = soap->version == 2 ? soap->fault->SOAP_ENV__Detail : soap->fault->detail;
    CHECK(detail && detail->ns1__fault && detail->ns1__fault->code == 4711);
}

int main(int argc, char **argv)
{
    struct soap *soap = soap_new1(SOAP_C_UTFSTRING);
    static struct _ns1__nothing nothing;
    static struct _ns1__nothingResponse done;

    (void)argc;
    url = argv[1];
    texts(soap);
    optionals(soap);
    moments(soap);
    lists(soap);
    maps(soap);
    folders(soap);
    free_forms(soap);
    CHECK(soap_call___ns1__nothing(soap, url, NULL, &nothing, &done) == SOAP_OK);
    faults(soap);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return 0;
}
